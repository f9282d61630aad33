"""The docs name everything there is, and nothing that is not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

from feedback.estimators import METRICS
from models_registry import gates
from reviewhub.celery import QUEUES, app
from tests.architecture.test_sizes import APPS, ROOT, python_files
from tests.routes import api_methods, routes, template

DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*DOCS, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"))]
TEXT = {path: path.read_text() for path in PAGES}
ALL = "\n".join(TEXT[path] for path in DOCS)
# What a word in code font must begin with to be taken for an address of ours.
PATH = re.compile(
    r"/(api/v1/.|models/|predictions/|queues/|leases/|decisions/|outcomes/|webhooks/|resolutions/|health/)"
)
ENVIRONMENT = re.compile(r"\bREVIEWHUB_[A-Z][A-Z_]*[A-Z]\b")


def text(name: str) -> str:
    return TEXT[ROOT / "docs" / name]


def code_words(page: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", page))


def test_every_setting_is_explained_and_no_other():
    explained = {word for word in code_words(text("settings.md")) if word.startswith("REVIEWHUB_")}
    assert {f"REVIEWHUB_{name}" for name in settings.REVIEWHUB} <= explained
    known = {f"REVIEWHUB_{name}" for name in settings.REVIEWHUB} | {"REVIEWHUB_ADULT_CSV", "REVIEWHUB_SIGNIN_DEMO"}
    assert {name for page in TEXT.values() for name in ENVIRONMENT.findall(page)} <= known


def test_every_variable_that_the_settings_read_is_explained():
    tree = ast.parse((ROOT / "reviewhub" / "settings.py").read_text())
    read = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and getattr(node.func.value, "id", "") == "env"
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(read) > 30
    assert read <= code_words(text("settings.md"))


def test_the_api_is_documented_route_by_route_with_its_methods():
    rows = re.findall(r"^\| ((?:GET|POST|PATCH|DELETE|, )+) \| `(/[^`]*)` \|", text("api.md"), re.MULTILINE)
    documented = {template(path): set(methods.lower().split(", ")) for methods, path in rows}
    assert len(documented) == len(rows)
    assert documented == api_methods()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_names_no_route_that_is_not_there(page: Path):
    known = {template(route) for route, _ in routes()}
    forms = [
        re.compile("(api/v1/)?" + re.escape(route.removeprefix("api/v1/")).replace(r"\{\}", "[^/]+")) for route in known
    ]
    wrong = []
    for word in code_words(TEXT[page]):
        path = re.sub(r"^((GET|POST|PATCH|DELETE)(, )?)+ ", "", word).partition("?")[0]
        # "…/decide/" stands for a route named before.
        if path.startswith("…/") and not any(f"/{route}".endswith(template_end(path)) for route in known):
            wrong.append(word)
        if PATH.match(path) and not any(form.fullmatch(template(path)) for form in forms):
            wrong.append(word)
    assert wrong == []


def template_end(path: str) -> str:
    return f"/{template(path.removeprefix('…'))}"


def test_every_task_and_every_queue_is_named():
    app.loader.import_default_modules()
    tasks = {name for name in app.tasks if not name.startswith("celery.")}
    assert len(tasks) > 10
    assert {name for name in tasks if f"`{name}`" not in ALL} == set()
    named = set(re.findall(r"`(\w+\.tasks\.\w+)`", ALL))
    assert named <= tasks
    assert {name for name in QUEUES if f"`{name}`" not in ALL} == set()


def test_every_gate_is_explained():
    tree = ast.parse(Path(gates.__file__).read_text())
    judge = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "judge")
    names = {node.func.id for node in ast.walk(judge) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert len(names) == 4
    assert names | {"contract", "policy", "artifact_checked"} <= code_words(text("models_registry.md"))


def test_every_metric_is_explained():
    words = code_words(text("statistics.md"))
    assert {name for name in METRICS if not any(word.split(" ")[0] == name for word in words)} == set()


def test_every_command_is_explained_and_no_other():
    ours = {name for name, package in get_commands().items() if package in APPS}
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    rows = re.findall(r"^\| (`[^|]+`) \|", text("commands.md"), re.MULTILINE)
    rows = [word for row in rows for word in re.findall(r"`([^`]+)`", row)]
    assert {row.split()[0] for row in rows if not row.startswith("make ")} == ours
    assert {row.split()[1] for row in rows if row.startswith("make ")} == targets
    for page in TEXT.values():
        assert set(re.findall(r"`make ([a-z-]+)", page)) <= targets
        assert set(re.findall(r"manage\.py ([a-z_]+)", page)) <= set(get_commands())


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path):
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", TEXT[page]):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


def test_every_page_is_linked_from_another():
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page, content in TEXT.items()
        for link in re.findall(r"\]\(([^)\s]+)\)", content)
    }
    decisions = ROOT / "docs" / "decisions"
    assert {page.name for page in DOCS if page not in linked and page.parent != decisions} == set()


def test_every_module_the_docs_name_exists():
    files = {path.relative_to(ROOT).as_posix() for path in python_files(*APPS, "tests", "benchmarks", "examples")}
    named = {word for word in code_words(ALL) if re.fullmatch(r"[a-z_]+(/[a-z_]+)+\.py", word)}
    assert named - files == set()
