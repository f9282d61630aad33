"""Bytes kept under their SHA-256, and the child process that alone may look inside model files.

A stored file is written once and never changed; its path is derived from its hash and nothing else.
This module imports no scikit-learn, so the web process may store and read; `run` and `Child` start
`models_registry.child`, which has limits, a clock, an empty environment, and no other way in.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, BinaryIO, Self

import msgspec
from django.conf import settings

from models_registry.child import CALLS, LENGTH_BYTES, frame_of
from models_registry.errors import ReviewHubError, Unavailable
from models_registry.models import Artifact

MAX_ANSWER_BYTES = 1024**3
# Processor time may run a little past the wall clock, which is what ends a call.
CPU_MARGIN_SECONDS = 10
CHUNK = 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
# What other apps let the child call beside `child.CALLS`.
_offered: dict[str, str] = {}


class ArtifactDamaged(ReviewHubError):
    """The stored file is missing or no longer has the bytes it was stored with."""

    status = 500
    code = "artifact_damaged"


class ChildFailed(Exception):
    """A call in the child process gave no result: ``reason`` is one sentence, ``code`` says which kind.

    Codes: what the called function raised (``untrusted_type``, ``invalid_model``, …), or ``timed_out``,
    ``out_of_memory``, ``died`` (by a signal), ``failed`` (an exception nobody foresaw).
    """

    def __init__(self, reason: str, *, code: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


def folder() -> Path:
    return Path(settings.REVIEWHUB["HOME"]) / "artifacts"


def path_of(sha256: str) -> Path:
    """Where the file of that hash lies; raises ValueError for what is not a hash."""
    if not _SHA256.match(sha256):
        raise ValueError("a SHA-256 is 64 lower-case hexadecimal digits")
    return folder() / sha256[:2] / sha256


def store(content: bytes, *, kind: str) -> Artifact:
    """Keep the bytes and return their row. The same bytes again are the same row.

    The file is complete and on disk before its row exists. Raises Unavailable when the disk is full.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    if not _is_whole(sha256):
        try:
            _write(path_of(sha256), content)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Unavailable("the disk for artifacts is full", code="disk_full")
            raise
    row, _ = Artifact.objects.get_or_create(sha256=sha256, defaults={"kind": kind, "size": len(content)})
    return row


def open_checked(sha256: str) -> BinaryIO:
    """The stored file, opened for reading and rewound, after hashing all of it through this descriptor.

    Raises ArtifactDamaged when it is missing or differs.
    """
    try:
        file = os.fdopen(os.open(path_of(sha256), os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except OSError:
        raise ArtifactDamaged
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    if digest.hexdigest() != sha256:
        file.close()
        raise ArtifactDamaged
    file.seek(0)
    return file


def offer(name: str, target: str) -> None:
    """Let the child call a function of another app, ``"module:function"``; for that app's `AppConfig.ready`.

    Raises ValueError for a name that means another function already.
    """
    if {**CALLS, **_offered}.get(name, target) != target:
        raise ValueError(f"the child process already has a function {name!r}")
    _offered[name] = target


def run(call: str, *, seconds: float, memory_bytes: int, files: dict[str, str] | None = None, **arguments: Any) -> Any:
    """Call a function of `child.CALLS`, or one that was offered, in a child process of its own and return its result.

    ``files`` maps argument names to hashes: the child is handed each stored file's bytes, hashed again.
    Raises ChildFailed.
    """
    cpu_seconds = int(seconds) + CPU_MARGIN_SECONDS
    deadline = time.monotonic() + seconds
    with Child(memory_bytes=memory_bytes, cpu_seconds=cpu_seconds, files=files) as child:
        return child.call(call, seconds=deadline - time.monotonic(), **arguments)


class Child:
    """A child process that answers several calls, with the same files: for explanations of one artifact.

    After a time-out, or when the process dies, it is gone for good: `alive` is false, start another.
    One caller at a time. It ends with the thread that started it, so start it where it is used.
    """

    def __init__(
        self, *, memory_bytes: int, cpu_seconds: int | None = None, files: dict[str, str] | None = None
    ) -> None:
        self._home = tempfile.mkdtemp(prefix="reviewhub-child-")
        try:
            with contextlib.ExitStack() as opened:
                found = {name: opened.enter_context(_opened(sha256)) for name, sha256 in (files or {}).items()}
                self._process = _start(self._home, [file.fileno() for file in found.values()])
                descriptors = {name: (file.fileno(), (files or {})[name]) for name, file in found.items()}
        except BaseException:
            shutil.rmtree(self._home, ignore_errors=True)
            raise
        limits = {"memory_bytes": memory_bytes, "cpu_seconds": cpu_seconds}
        self._unsent = frame_of({"parent": os.getpid(), "files": descriptors, "calls": _offered, **limits})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, name: str, *, seconds: float, **arguments: Any) -> Any:
        """The function's result; raises ChildFailed. After ``seconds`` of wall clock the child is killed."""
        question = self._unsent + frame_of({"call": name, "arguments": arguments})
        self._unsent = b""
        try:
            answer = msgspec.msgpack.decode(_exchange(self._process, question, time.monotonic() + seconds))
        except TimeoutError:
            self.close()
            raise ChildFailed(f"it took longer than {seconds:.0f} seconds", code="timed_out")
        except (EOFError, msgspec.DecodeError):
            reason = self._death()
            raise ChildFailed(f"the child process died while it worked on this ({reason})", code="died")
        except BaseException:
            self.close()
            raise
        if "code" in answer:
            raise ChildFailed(str(answer["reason"]), code=str(answer["code"]))
        return answer["result"]

    def close(self) -> None:
        """End the process and everything it started. Safe to call twice."""
        # Its session is its own, so the group holds it and its offspring and nobody else.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _death(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        code = self._process.returncode
        self.close()
        if code is None:
            return "it closed its answers"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _start(home: str, descriptors: list[int]) -> subprocess.Popen[bytes]:
    """The child in a session of its own, with no environment but what Python and BLAS need."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": home, "TMPDIR": home, **threads}
    environment |= {"MALLOC_ARENA_MAX": "2", "JOBLIB_MULTIPROCESSING": "0"}
    environment |= {"PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "models_registry.child"],
        cwd=settings.BASE_DIR,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=descriptors,
        bufsize=0,
    )


def _exchange(process: subprocess.Popen[bytes], question: bytes, deadline: float) -> bytes:
    """Write the question and read one whole frame. Raises TimeoutError, EOFError."""
    if process.stdin is None or process.stdout is None or process.stdin.closed:
        raise EOFError
    unsent, received = memoryview(question), bytearray()
    with selectors.DefaultSelector() as selector:
        os.set_blocking(process.stdin.fileno(), False)
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        while True:
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready and time.monotonic() >= deadline:
                raise TimeoutError
            for key, _ in ready:
                if key.fileobj is process.stdin:
                    unsent = _send(process.stdin.fileno(), unsent)
                    if not unsent:
                        selector.unregister(process.stdin)
                    continue
                chunk = os.read(process.stdout.fileno(), CHUNK)
                if not chunk:
                    raise EOFError
                received += chunk
                if (body := _whole(received)) is not None:
                    return body


def _send(descriptor: int, unsent: memoryview) -> memoryview:
    """What is still unsent; nothing where nobody reads any more, because an answer may say why."""
    try:
        return unsent[os.write(descriptor, unsent[:CHUNK]) :]
    except BrokenPipeError:
        return unsent[:0]


def _whole(received: bytearray) -> bytes | None:
    """The document of a frame once all of it is there. An answer beyond all measure ends the exchange."""
    if len(received) < LENGTH_BYTES:
        return None
    length = int.from_bytes(received[:LENGTH_BYTES], "big")
    if length > MAX_ANSWER_BYTES:
        raise EOFError
    return bytes(received[LENGTH_BYTES:]) if len(received) >= LENGTH_BYTES + length else None


def _opened(sha256: str) -> BinaryIO:
    """The stored file unread: the child hashes what it reads."""
    try:
        return os.fdopen(os.open(path_of(sha256), os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except OSError:
        raise ArtifactDamaged


def _is_whole(sha256: str) -> bool:
    try:
        open_checked(sha256).close()
    except ArtifactDamaged:
        return False
    return True


def _write(path: Path, content: bytes) -> None:
    """Write beside the final place, flush to disk, move into place, flush the folder."""
    for place in (folder(), path.parent):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
