"""Addresses that lack their last slash: a GET is sent on, an API call with a body is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.middleware.common import CommonMiddleware

from reviewhub.api import is_api, problem_answer

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class SlashMiddleware(CommonMiddleware):
    """Django's, except that no redirect swallows the body of an API call."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        sends = is_api(request) and request.method not in ("GET", "HEAD")
        if not (response.status_code == 404 and sends and self.should_redirect_with_slash(request)):
            return super().process_response(request, response)
        told = problem_answer(request, 404, "missing_slash", f"the address ends with a slash: {request.path}/")
        told.headers["Content-Length"] = str(len(told.content))
        return told
