"""The body of a version upload: multipart with files, or JSON without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

from models_registry import serializers, strict_json
from models_registry.api.base import checked
from models_registry.errors import Fault, Invalid, TooLarge

if TYPE_CHECKING:
    from rest_framework.request import Request

_FLAGS = {"true": True, "false": False}
_FILES_ONLY = ("artifact", "reference")
_TEXT_ONLY = ("version", "held_out")
# What Django's parser puts where a part is not UTF-8.
_UNREADABLE = "\ufffd"
# The contract itself is looked into by the step, so that all its faults are told at once.
_OUTLINE = {**serializers.VERSION, "properties": {**serializers.VERSION["properties"], "contract": {}}}


def version_arguments(request: Request) -> dict[str, Any]:
    """The arguments of `registration.register_version`; raises Invalid with every fault of the form, TooLarge."""
    limit = 2 * settings.REVIEWHUB["MAX_ARTIFACT_BYTES"] + settings.REVIEWHUB["MAX_BODY_BYTES"]
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise TooLarge(f"the upload is larger than {limit} bytes")
    try:
        parts = request.data
    except (TooManyFieldsSent, TooManyFilesSent):
        raise Invalid("the upload has too many parts") from None
    if not isinstance(parts, QueryDict):
        return checked(_OUTLINE, parts)
    given = _given(parts)
    arguments = {
        "version": given["version"],
        "contract": _document(given["contract"]),
        "held_out": _FLAGS[given.get("held_out", "false")],
    }
    files = {name: _content(given[name], name, "MAX_ARTIFACT_BYTES") for name in _FILES_ONLY if name in given}
    return {**arguments, **files}


def _given(parts: QueryDict) -> dict[str, Any]:
    """Each part once, of its own kind."""
    missing = [name for name in ("version", "contract") if name not in parts]
    faults = [Fault(f"/{name}", "required", "this part is required") for name in missing]
    given: dict[str, Any] = {}
    for name, values in parts.lists():
        fault = _part_fault(name, values)
        if fault is None:
            given[name] = values[0]
        else:
            faults.append(fault)
    if faults:
        raise Invalid(errors=faults)
    return given


def _part_fault(name: str, values: list[Any]) -> Fault | None:
    value, at = values[0], f"/{name[:100]}"
    is_file = isinstance(value, UploadedFile)
    if name not in serializers.VERSION_UPLOAD["properties"]:
        return Fault(at, "unknown_field", "this part is not known here")
    if len(values) > 1:
        return Fault(at, "duplicate", "send this part once")
    if is_file and name in _TEXT_ONLY:
        return Fault(at, "type", "send this part as text, without a file name")
    if not is_file and name in _FILES_ONLY:
        return Fault(at, "type", "send this part as a file, with a file name")
    if not is_file and (_UNREADABLE in value or "\0" in value):
        return Fault(at, "invalid_text", "this part is not readable UTF-8 text")
    if name == "held_out" and value not in _FLAGS:
        return Fault(at, "not_allowed", "true or false")
    return None


def _document(part: Any) -> Any:
    """A JSON document that came as a text part or as a file."""
    raw = _content(part, "contract", "MAX_BODY_BYTES") if isinstance(part, UploadedFile) else part.encode()
    try:
        return strict_json.decode(raw)
    except Invalid as error:
        inner = error.errors or [Fault("", error.code, error.detail)]
        faults = [Fault(f"/contract{fault.pointer}", fault.code, fault.message) for fault in inner]
        raise Invalid(f"contract: {error.detail}", code=error.code, errors=faults) from None


def _content(file: UploadedFile[Any], name: str, limit: str) -> bytes:
    most = settings.REVIEWHUB[limit]
    if (file.size or 0) > most:
        raise TooLarge(f"{name} has {file.size} bytes; at most {most} are accepted")
    content: bytes = file.read()
    return content
