"""What the review page weighs on the wire: a case of 40 features, the page's scripts, and its styles."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from tests.browser import world as makers

KIB = 1024


@pytest.fixture
def signed_in(db: None, monkeypatch: pytest.MonkeyPatch) -> Client:
    wide = makers.contract()
    wide["features"] += [
        {"name": f"more_{i}", "dtype": "float", "min": 0, "group": "Ten more", "label": f"More {i}"} for i in range(10)
    ]
    measured = makers.measurements

    def of_forty(rows: int, seed: int = 0) -> dict[str, object]:
        return measured(rows, seed) | {f"more_{i}": [float(i + row) for row in range(rows)] for i in range(10)}

    monkeypatch.setattr(makers, "contract", lambda: wide)
    monkeypatch.setattr(makers, "measurements", of_forty)
    makers.small()
    client = Client()
    client.cookies["sessionid"] = makers.session_of("alice")
    return client


def weight(text: str | bytes) -> int:
    return len(gzip.compress(text.encode() if isinstance(text, str) else text, 6))


def test_a_case_of_forty_features(signed_in: Client) -> None:
    case = signed_in.post("/queues/tumours/review/cards/", {"count": "1"}).content.decode()
    assert case.count('<th scope="row" title=') >= 40
    assert "ten more" in case.lower()
    assert weight(case) <= 12 * KIB


def test_the_scripts_and_styles_of_the_page(signed_in: Client) -> None:
    page = signed_in.get("/queues/tumours/review/").content.decode()
    scripts, styles = (set(re.findall(rf"static/((?:js|css)/[\w/-]+\.{kind})", page)) for kind in ("js", "css"))
    assert "js/review/main.js" in scripts
    assert sum(weight(_read(name)) for name in _with_imports(scripts)) <= 30 * KIB
    assert sum(weight(_read(name)) for name in styles) <= 15 * KIB
    assert weight(page) <= 12 * KIB


def _read(name: str) -> bytes:
    return (Path(settings.BASE_DIR) / "static" / name).read_bytes()


def _with_imports(names: set[str]) -> set[str]:
    found, left = set[str](), set(names)
    while left:
        name = left.pop()
        found.add(name)
        paths = re.findall(r'^import .* from "(\.{1,2}/[^"]+)";', _read(name).decode(), re.MULTILINE)
        folder = (Path(settings.BASE_DIR) / "static" / name).parent
        root = Path(settings.BASE_DIR) / "static"
        left |= {str((folder / path).resolve().relative_to(root.resolve())) for path in paths} - found
    return found
