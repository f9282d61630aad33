from __future__ import annotations

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("reviewhub", "models_registry", "review", "feedback")


def python_files(*folders: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *[f"{folder}/*.py" for folder in folders]],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    return [ROOT / name for name in listed if "/migrations/" not in name and (ROOT / name).exists()]


def scripts() -> list[Path]:
    return sorted((ROOT / "static" / "js").rglob("*.js"))


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_module_is_longer_than_400_lines_and_95_percent_than_250():
    sizes = {path: lines(path) for path in python_files(*APPS)}
    assert {str(path): size for path, size in sizes.items() if size > 400} == {}
    ordered = sorted(sizes.values())
    assert ordered[int(0.95 * (len(ordered) - 1))] <= 250


def test_no_script_is_longer_than_300_lines():
    assert {str(path): lines(path) for path in scripts() if lines(path) > 300} == {}


def test_no_function_is_longer_than_50_lines():
    long = {}
    for path in python_files(*APPS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                if size > 50:
                    long[f"{path}:{node.name}"] = size
    assert long == {}


def test_no_test_file_is_longer_than_350_lines():
    assert {str(path): lines(path) for path in python_files("tests") if lines(path) > 350} == {}
