from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.core.management import call_command
from django.template.loader import render_to_string
from django.test import override_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATES = sorted(Path(settings.BASE_DIR / "templates").rglob("*.html"))


@pytest.fixture
def collected(tmp_path: Path) -> Iterator[Path]:
    """The folder of static files as the web server has them in production."""
    hashed = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "reviewhub.static_files.HashedStaticFiles"},
    }
    with override_settings(STATIC_ROOT=str(tmp_path), STORAGES=hashed):
        call_command("collectstatic", interactive=False, verbosity=0)
        yield tmp_path


def test_static_files_are_collected_with_their_hashes(collected):
    page = render_to_string("base.html")
    assert re.search(r"css/pages\.[0-9a-f]{12}\.css", page)
    assert re.search(r"js/app\.[0-9a-f]{12}\.js", page)


def test_scripts_import_each_other_under_names_that_change_with_their_content(collected):
    hashed = [path for path in (collected / "js").rglob("*.js") if re.search(r"\.[0-9a-f]{12}\.js$", path.name)]
    imported = [
        (path, name) for path in hashed for name in re.findall(r'from "(.+)";$', path.read_text(), re.MULTILINE)
    ]
    assert len(imported) > 20
    for script, name in imported:
        assert re.search(r"\.[0-9a-f]{12}\.js$", name), f"{script.name}: {name}"
        assert (script.parent / name).is_file(), f"{script.name}: {name}"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_carry_no_inline_style_or_script(path):
    text = path.read_text()
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", text)


@pytest.mark.parametrize(
    "path", [*TEMPLATES, *Path(settings.BASE_DIR / "static").rglob("*.css")], ids=lambda path: path.name
)
def test_pages_ask_no_third_party(path):
    assert not re.search(r"(src|href|url|action)\s*[=(]\s*[\"']?(https?:)?//", path.read_text())


@pytest.mark.parametrize("name", ["400.html", "403.html", "403_csrf.html", "404.html", "500.html"])
def test_error_pages_name_a_next_step(name):
    page = render_to_string(name)
    assert "<h1>" in page
    assert 'href="/"' in page
