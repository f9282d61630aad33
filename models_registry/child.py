"""The limited child process: the only place where models are loaded, scored, fitted and explained.

Run by `artifacts` as ``python -m models_registry.child``. It limits itself before it reads a byte that
came from outside, knows no database and no secret, and calls nothing but the functions of CALLS and those
that the parent names before anything else, each imported when first called. A frame on the wire is a length
(8 bytes, big-endian) and a msgpack document: first ``{"parent", "memory_bytes", "cpu_seconds", "files", "calls"}``,
then one ``{"call", "arguments"}`` per question, each answered by ``{"result"}`` or ``{"code", "reason"}``.

To add a function, add a line to CALLS, or `artifacts.offer` it from the app that has it.
It takes keyword arguments only, its arguments and result are
what msgpack knows (None, bool, int, float, str, bytes, list, dict with string keys), and neither it nor
what it imports may import Django. It refuses by raising a `models_registry.errors` class with a code.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib
import os
import resource
import signal
import sys
import warnings
from typing import Any, BinaryIO

import msgspec

from models_registry.errors import ReviewHubError

CALLS = {
    "limits": "models_registry.child:limits",
    "inspect_version": "models_registry.inspection:inspect_version",
    "score": "models_registry.inspection:score",
    "fit": "models_registry.training:fit_candidate",
    "evaluate": "models_registry.training:evaluate_version",
}
LENGTH_BYTES = 8
MAX_QUESTION_BYTES = 2 * 1024**3
# Nothing here needs a file larger than compiled code in a cache.
MAX_FILE_BYTES = 64 * 1024**2
MAX_REASON = 500
_DIE_WITH_PARENT = 1


def main() -> None:
    """Answer questions from standard input until it closes."""
    questions, answers = _private_streams()
    warnings.simplefilter("ignore")
    start = read_frame(questions, limit=MAX_QUESTION_BYTES)
    if start is None:
        return
    limit_self(memory_bytes=start["memory_bytes"], cpu_seconds=start["cpu_seconds"])
    # The parent may have died before its death was tied to ours.
    if os.getppid() != start["parent"]:
        return
    calls = {**CALLS, **start["calls"]}
    try:
        files = {name: read_file(descriptor, sha256) for name, (descriptor, sha256) in start["files"].items()}
    except (ReviewHubError, MemoryError) as error:
        write_frame(answers, _refusal(error))
        return
    while (question := read_frame(questions, limit=MAX_QUESTION_BYTES)) is not None:
        write_frame(answers, answer(question["call"], {**files, **question["arguments"]}, calls=calls))


def answer(call: str, arguments: dict[str, Any], *, calls: dict[str, str]) -> dict[str, Any]:
    """Call one of ``calls`` (name to ``"module:function"``); whatever it raises becomes a code and a sentence."""
    if call not in calls:
        return {"code": "failed", "reason": f"{call[:60]!r} is not a function of the child process"}
    try:
        module, _, name = calls[call].partition(":")
        result = {"result": getattr(importlib.import_module(module), name)(**arguments)}
        msgspec.msgpack.encode(result)
    except BaseException as error:  # noqa: BLE001 - the parent must hear of it, whatever it is
        return _refusal(error)
    return result


def limit_self(*, memory_bytes: int, cpu_seconds: int | None) -> None:
    """Address space, processor time, file size, no core dump; gone when the parent is gone.

    The number of processes is not limited: the kernel counts all of the user's, not the child's.
    """
    os.umask(0o077)
    # macOS refuses to limit address space; there the wall clock and the parent remain.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if cpu_seconds is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def limits(**_: Any) -> dict[str, Any]:
    """The limits in force and the names in the environment, for a look from outside."""
    names = {
        "memory_bytes": resource.RLIMIT_AS,
        "cpu_seconds": resource.RLIMIT_CPU,
        "file_bytes": resource.RLIMIT_FSIZE,
    }
    found: dict[str, Any] = {name: resource.getrlimit(kind)[0] for name, kind in names.items()}
    return {**found, "environment": sorted(os.environ), "session": os.getsid(0) == os.getpid()}


def read_file(descriptor: int, sha256: str) -> bytes:
    """The whole file behind an inherited descriptor; the bytes that are hashed are the bytes returned."""
    with os.fdopen(descriptor, "rb") as file:
        content = file.read()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ReviewHubError("the stored file no longer has the bytes it was stored with", code="artifact_damaged")
    return content


def read_frame(stream: BinaryIO, *, limit: int) -> Any:
    """The next document, or None at the end of the stream."""
    head = stream.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    length = int.from_bytes(head, "big")
    if length > limit:
        raise SystemExit
    return msgspec.msgpack.decode(stream.read(length))


def write_frame(stream: BinaryIO, document: Any) -> None:
    stream.write(frame_of(document))
    stream.flush()


def frame_of(document: Any) -> bytes:
    body = msgspec.msgpack.encode(document)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Descriptors of our own for the wire, so that a model that prints cannot write into an answer."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    return questions, answers


def _refusal(error: BaseException) -> dict[str, Any]:
    if isinstance(error, ReviewHubError):
        return {"code": error.code, "reason": error.detail}
    if isinstance(error, MemoryError):
        return {"code": "out_of_memory", "reason": "it needs more memory than the child process may use"}
    text = " ".join(str(error).split())[:MAX_REASON]
    return {"code": "failed", "reason": f"{type(error).__name__}: {text}"}


if __name__ == "__main__":
    main()
