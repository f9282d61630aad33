"""What a model file may look like from outside: a plain, flat zip archive as `skops.io.dump` writes it.

Nothing here opens more of the file than its directory, its schema and the headers of its arrays, so
the web process may call `check_archive` on an upload. Pickles are told by their first bytes and never opened.
"""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile
from typing import Any

import numpy as np

from models_registry.errors import Invalid, TooLarge

MAX_MEMBERS = 20_000
MAX_DIRECTORY_BYTES = 4 * 1024**2
MAX_SCHEMA_BYTES = 64 * 1024**2
MAX_UNPACKED_BYTES = 1024**3
# Honest archives are mostly stored or hold arrays; only a bomb shrinks this much.
MAX_RATIO = 200
RATIO_MATTERS_FROM = 16 * 1024**2
SCHEMA = "schema.json"

_MEMBER = re.compile(r"[A-Za-z0-9_-]{1,80}\.(npy|npz|bin)\Z")
_END = b"PK\x05\x06"
_END_SIZE = 22
_ENCRYPTED = 0x1


def check_archive(content: bytes, *, max_bytes: int) -> None:
    """Refuse what is not a plain zip archive of bounded size. Reads the archive's directory only.

    Raises TooLarge (``too_large``) over ``max_bytes``, Invalid (``unsupported_format``) for another
    format or a broken archive, Invalid (``invalid_model``) for an archive built to do harm.

    >>> check_archive(bytes([0x80, 4, 0x95]), max_bytes=100)
    Traceback (most recent call last):
    models_registry.errors.Invalid: this is not a .skops file: pickles are never opened, use skops.io.dump
    """
    if len(content) > max_bytes:
        raise TooLarge(f"the model file has {len(content)} bytes; at most {max_bytes} are accepted")
    if not content:
        raise Invalid("the model file is empty", code="unsupported_format")
    if not content.startswith(b"PK\x03\x04"):
        message = "this is not a .skops file: pickles are never opened, use skops.io.dump"
        raise Invalid(message, code="unsupported_format")
    _check_end(content)
    with _opened(content) as archive:
        _check_members(archive.infolist(), len(content))


def read_schema(content: bytes) -> dict[str, Any]:
    """The schema of an archive that `check_archive` has passed, with every member accounted for.

    Raises Invalid: ``unsupported_format`` where it is no skops schema, ``invalid_model`` where members
    and schema disagree or an array could not be read without pickle.
    """
    try:
        with _opened(content) as archive:
            document = json.loads(archive.read(SCHEMA))
            if not isinstance(document, dict) or "__loader__" not in document:
                raise Invalid("schema.json is not a skops schema", code="unsupported_format")
            _check_references(document, archive)
            for info in archive.infolist():
                if info.filename.endswith(".npy"):
                    _check_array(archive, info)
    except (zipfile.BadZipFile, ValueError, RecursionError, EOFError, OSError, KeyError) as error:
        raise Invalid(f"the model file cannot be read: {str(error)[:200]}", code="unsupported_format")
    return document


def nodes(document: Any) -> list[dict[str, Any]]:
    """Every object of a JSON document, outermost first; walks without recursion."""
    found, waiting = [], [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found.append(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return found


def _opened(content: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Invalid(f"the zip archive is broken: {str(error)[:200]}", code="unsupported_format")


def _check_end(content: bytes) -> None:
    """The end record bounds the directory before anything parses it."""
    end = content[-_END_SIZE:]
    if len(end) < _END_SIZE or not end.startswith(_END):
        raise Invalid("the file does not end as a zip archive: it was cut or extended", code="unsupported_format")
    entries, size = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if content[-_END_SIZE - 20 : -_END_SIZE - 16] == b"PK\x06\x07" or entries == 0xFFFF:
        raise Invalid("the archive is in the zip64 format, which no model file needs", code="invalid_model")
    if entries > MAX_MEMBERS or size > MAX_DIRECTORY_BYTES:
        raise TooLarge(f"the archive has more than {MAX_MEMBERS} members")


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    names = [info.filename for info in members]
    if len(set(names)) != len(names):
        raise Invalid("the archive holds two members of one name", code="invalid_model")
    if SCHEMA not in names:
        raise Invalid("the archive has no schema.json: it was not written by skops.io.dump", code="unsupported_format")
    for info in members:
        if info.filename != SCHEMA and not _MEMBER.match(info.filename):
            raise Invalid(f"the archive holds a member no model needs: {info.filename[:80]!r}", code="invalid_model")
        if info.flag_bits & _ENCRYPTED:
            raise Invalid("the archive is encrypted", code="invalid_model")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise Invalid(f"the archive holds a symbolic link: {info.filename!r}", code="invalid_model")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Invalid("the archive must be stored or deflated", code="unsupported_format")
    _check_sizes(members, size)


def _check_sizes(members: list[zipfile.ZipInfo], size: int) -> None:
    """Declared sizes are binding: zipfile reads no byte beyond them."""
    declared = sum(info.file_size for info in members)
    schema = next(info.file_size for info in members if info.filename == SCHEMA)
    if schema > MAX_SCHEMA_BYTES:
        raise TooLarge(f"schema.json would unpack to {schema} bytes; at most {MAX_SCHEMA_BYTES} are accepted")
    if declared > MAX_UNPACKED_BYTES:
        raise TooLarge(f"the archive would unpack to {declared} bytes; at most {MAX_UNPACKED_BYTES} are accepted")
    if declared > RATIO_MATTERS_FROM and declared > MAX_RATIO * size:
        raise TooLarge(f"the archive would unpack to {declared // size} times its size, more than {MAX_RATIO} times")
    # Members that share their bytes with others would pass every single bound.
    if sum(info.compress_size for info in members) > size:
        raise Invalid("members of the archive overlap", code="invalid_model")


def _check_references(document: dict[str, Any], archive: zipfile.ZipFile) -> None:
    named = {str(node["file"]) for node in nodes(document) if "__loader__" in node and "file" in node}
    present = set(archive.namelist()) - {SCHEMA}
    if missing := sorted(named - present):
        raise Invalid(f"the archive lacks {missing[0][:80]!r}, which its schema names", code="invalid_model")
    if extra := sorted(present - named):
        raise Invalid(f"the archive holds {extra[0][:80]!r}, which its schema does not name", code="invalid_model")


def _check_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """An array's header must fit its bytes and need no pickle; the array itself is not read."""
    with archive.open(info) as file:
        major, _ = np.lib.format.read_magic(file)
        read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}.get(major)
        if read_header is None:
            raise Invalid(f"the array {info.filename!r} has an unknown format", code="unsupported_format")
        shape, _, dtype = read_header(file)
        if dtype.hasobject:
            raise Invalid(f"the array {info.filename!r} holds Python objects, as only pickles do", code="invalid_model")
        count = 1
        for length in shape:
            count *= length
        if count < 0 or count * dtype.itemsize != info.file_size - file.tell():
            raise Invalid(f"the array {info.filename!r} declares a shape its bytes do not fill", code="invalid_model")
