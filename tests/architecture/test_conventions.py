from __future__ import annotations

import ast
import re

from tests.architecture.test_sizes import APPS, ROOT, python_files


def test_no_task_is_sent_by_name_and_none_waits_longer_than_30_seconds():
    wrong = []
    for path in python_files(*APPS):
        text = path.read_text()
        if "send_task(" in text or re.search(r"countdown\s*=\s*(3[1-9]|[4-9]\d|\d{3,})|\beta\s*=", text):
            wrong.append(str(path))
    assert wrong == []


def test_nothing_is_unpickled():
    for path in python_files(*APPS, "examples"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {"pickle", "joblib", "cloudpickle", "dill"} & {name.split(".")[0] for name in names}, path


def test_every_function_names_its_return_type():
    missing = []
    for path in python_files(*APPS):
        tree = ast.parse(path.read_text())
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        missing += [f"{path}:{node.name}" for node in functions if node.returns is None]
    assert missing == []


def test_no_text_names_a_module_of_an_app_above():
    """Imports go down by contract; a dotted name in a string would go up unseen."""
    stack = ("models_registry", "review", "feedback", "reviewhub")
    wrong = []
    for place, app in enumerate(stack):
        named = re.compile(rf"({'|'.join(stack[place + 1 :]) or '(?!)'})((?:\.[a-z_]\w*)+)(:\w+)?")
        for path in python_files(app):
            for node in ast.walk(ast.parse(path.read_text())):
                found = (
                    named.fullmatch(node.value)
                    if isinstance(node, ast.Constant) and isinstance(node.value, str)
                    else None
                )
                if found and is_module(found[1] + found[2]):
                    wrong.append(f"{path}: {node.value}")
    assert wrong == []


def is_module(dotted: str) -> bool:
    """Whether the text, or all of it but its last word, is a module here; a logger or an event is not."""
    words = dotted.split(".")
    places = [ROOT.joinpath(*words)] + ([ROOT.joinpath(*words[:-1])] if len(words) > 2 else [])
    return any(place.with_suffix(".py").exists() or (place / "__init__.py").exists() for place in places)
