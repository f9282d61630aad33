"""What can go wrong for a caller. Each class is one kind of failure; its docstring is the default message.

Steps raise these; the API answers them as problem+json, pages show them beside the form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault in a document: a JSON pointer to the place, a stable code, a sentence."""

    pointer: str
    code: str
    message: str


class ReviewHubError(Exception):
    """The request could not be carried out."""

    status = 400
    code = "invalid"
    headers: Mapping[str, str] = {}

    def __init__(self, detail: str = "", *, code: str = "", errors: list[Fault] | None = None) -> None:
        super().__init__(detail or (type(self).__doc__ or "").strip())
        self.code = code or type(self).code
        self.errors = errors or []

    @property
    def detail(self) -> str:
        return str(self)


class Invalid(ReviewHubError):
    """The body is not what this endpoint accepts."""

    code = "invalid_body"

    def __init__(self, detail: str = "", *, code: str = "", errors: list[Fault] | None = None) -> None:
        # Faults of one kind only say more than "invalid" does.
        kinds = {fault.code for fault in errors or ()}
        super().__init__(detail, code=code or (kinds.pop() if len(kinds) == 1 else ""), errors=errors)


class Forbidden(ReviewHubError):
    """This credential may not do that."""

    status = 403
    code = "forbidden"


class NotFound(ReviewHubError):
    """There is no such object."""

    status = 404
    code = "not_found"


class Conflict(ReviewHubError):
    """The present state does not allow that."""

    status = 409
    code = "conflict"


class TooLarge(ReviewHubError):
    """The body is too large."""

    status = 413
    code = "too_large"


class RangeUnsatisfiable(ReviewHubError):
    """There are no such bytes."""

    status = 416
    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"there are {size} bytes")
        self.headers = {"Content-Range": f"bytes */{size}"}


class UnsupportedMedia(ReviewHubError):
    """Send JSON in UTF-8."""

    status = 415
    code = "unsupported_media_type"


class ContractViolation(ReviewHubError):
    """The record breaks the data contract of its model version."""

    status = 422
    code = "contract_violation"


class Unprocessable(ReviewHubError):
    """The body is well formed and cannot be accepted."""

    status = 422
    code = "unprocessable"


class Unavailable(ReviewHubError):
    """Try again later."""

    status = 503
    code = "unavailable"
