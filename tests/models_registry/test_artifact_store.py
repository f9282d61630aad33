"""Bytes are kept under their hash, privately and whole, and are hashed again whenever they are read."""

from __future__ import annotations

import hashlib
import os
import stat

import pytest

from models_registry import artifacts
from models_registry.errors import Unavailable
from models_registry.models import Artifact

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path, settings):
    settings.REVIEWHUB = {**settings.REVIEWHUB, "HOME": tmp_path}


def read(sha256: str) -> bytes:
    with artifacts.open_checked(sha256) as file:
        return file.read()


def test_stored_bytes_come_back_and_are_private():
    row = artifacts.store(b"a model", kind="model")
    path = artifacts.path_of(row.sha256)
    assert (row.sha256, row.size, row.kind) == (hashlib.sha256(b"a model").hexdigest(), 7, "model")
    assert read(row.sha256) == b"a model"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IMODE(artifacts.folder().stat().st_mode) == 0o700
    assert os.listdir(path.parent) == [row.sha256]


def test_the_same_bytes_are_one_row_and_one_file():
    first, second = artifacts.store(b"twice", kind="model"), artifacts.store(b"twice", kind="reference")
    assert first == second
    assert Artifact.objects.count() == 1


def test_a_flipped_byte_is_found_and_storing_again_repairs_it():
    row = artifacts.store(b"intact", kind="model")
    path = artifacts.path_of(row.sha256)
    path.write_bytes(b"jntact")
    with pytest.raises(artifacts.ArtifactDamaged):
        artifacts.open_checked(row.sha256)
    artifacts.store(b"intact", kind="model")
    assert read(row.sha256) == b"intact"


def test_a_missing_file_and_a_link_are_damage(tmp_path):
    row = artifacts.store(b"gone", kind="model")
    path = artifacts.path_of(row.sha256)
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(artifacts.ArtifactDamaged):
        artifacts.open_checked(row.sha256)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(artifacts.ArtifactDamaged):
        artifacts.open_checked(row.sha256)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_a_path_is_made_from_a_hash_and_nothing_else(name):
    with pytest.raises(ValueError, match="hexadecimal"):
        artifacts.path_of(name)


def test_an_opened_file_is_checked_and_rewound():
    row = artifacts.store(b"0123456789", kind="snapshot")
    with artifacts.open_checked(row.sha256) as file:
        file.seek(4)
        assert file.read(2) == b"45"


def test_a_full_disk_leaves_no_row_and_no_file(monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable):
        artifacts.store(b"too much", kind="model")
    assert not Artifact.objects.exists()
    assert not any(files for _, _, files in os.walk(artifacts.folder()))
