"""Bodies sent in chunks, without a Content-Length: Django takes such a body for none at all, so it is counted here.

Many clients send this way when they stream or serialise as they go (.NET, Java, Go, curl from a pipe).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.conf import settings

IN_MEMORY_BYTES = 1024 * 1024
PIECE_BYTES = 64 * 1024


class Counted:
    """The WSGI application that gives a chunked body its length before Django looks at it.

    No more than one byte over what the endpoints accept is read: they answer 413 to that.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            return self.application(environ, start_response)
        with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as body:
            length = _copy(environ["wsgi.input"], body, most=_limit(environ) + 1)
            body.seek(0)
            # An application may change what it was given, not what its server keeps.
            counted = {**environ, "CONTENT_LENGTH": str(length), "wsgi.input": body}
            return self.application(counted, start_response)


def _limit(environ: dict[str, Any]) -> int:
    """The largest body any endpoint takes: two files and a document as a form, else a document."""
    own = settings.REVIEWHUB
    is_form = environ.get("CONTENT_TYPE", "").lower().startswith("multipart/")
    return int(own["MAX_BODY_BYTES"] + (2 * own["MAX_ARTIFACT_BYTES"] if is_form else 0))


def _copy(source: IO[bytes], target: IO[bytes], *, most: int) -> int:
    length = 0
    while length < most and (piece := source.read(min(PIECE_BYTES, most - length))):
        target.write(piece)
        length += len(piece)
    return length
