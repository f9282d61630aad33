from __future__ import annotations

import ast
import re

from tests.architecture.test_sizes import APPS, python_files


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
