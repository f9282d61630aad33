from __future__ import annotations

import ast

from reviewhub.problems import GROUPS
from tests.architecture.test_sizes import APPS, python_files

# Functions whose code is not given by keyword, and where among their arguments it stands.
PLACES = {"Fault": 1, "_fault": 1, "_refused": 1, "_say": 1, "problem_answer": 2}
TABLES = ("_CODES", "_DRF_CODES")
# Kinds of fault that JSON Schema names, beside those that have a word of ours.
FROM_THE_VALIDATOR = {"type", "format", "pattern", "anyOf"}
# Given by the child process, by a gate's verdict, or by a conditional expression.
FROM_ELSEWHERE = {"failed", "out_of_memory", "insufficient_data", "csrf"}
EXPLAINED = [meaning.code for group in GROUPS for meaning in group.meanings]


def test_every_code_in_the_source_is_explained_and_no_other():
    given = FROM_THE_VALIDATOR | FROM_ELSEWHERE
    for path in python_files(*APPS):
        for node in ast.walk(ast.parse(path.read_text())):
            given |= {part.value for part in codes_of(node) if isinstance(part, ast.Constant)}
    assert given - {""} == set(EXPLAINED)


def codes_of(node: ast.AST) -> list[ast.expr]:
    """The expressions that give a code: a keyword, a known argument, an assignment to ``code``, a table."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        place = PLACES.get(name, len(node.args))
        return [word.value for word in node.keywords if word.arg == "code"] + node.args[place : place + 1]
    if not isinstance(node, ast.Assign):
        return []
    target, value = node.targets[0], node.value
    if getattr(target, "id", "") in TABLES and isinstance(value, ast.Dict):
        return value.values
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = zip(target.elts, value.elts, strict=True)
        return [given for name, given in pairs if getattr(name, "id", "") == "code"]
    return [value] if getattr(target, "id", "") == "code" else []


def test_no_code_is_explained_twice():
    assert len(EXPLAINED) == len(set(EXPLAINED))
