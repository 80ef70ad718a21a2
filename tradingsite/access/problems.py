"""Errors as RFC 9457 problem details: a status, a sentence, and a code for machines."""

import http
import json
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from domain.errors import PlumblineError

CONTENT_TYPE = "application/problem+json"
BUSY = "the database does not answer right now; try again"

logger = structlog.get_logger(__name__)


def problem(*, status: int, code: str, detail: str, errors: Any = None) -> dict[str, Any]:
    """Return the body of a problem; `errors` names the fields that were wrong."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return body if errors is None else {**body, "errors": errors}


def problem_page(*, status: int, code: str, detail: str) -> HttpResponse:
    """Return the problem as a plain Django answer, for what fails outside of a view."""
    body = json.dumps(problem(status=status, code=code, detail=detail))
    return HttpResponse(body, status=status, content_type=CONTENT_TYPE)


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to an error of an API view, None when it is a fault of ours."""
    if isinstance(error, PlumblineError):
        status = status_of(error)
        return _answer(problem(status=status, code=error.code, detail=str(error)), status)
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("database unavailable", error=type(error).__name__)
        return _answer(problem(status=503, code="database_unavailable", detail=BUSY), 503)
    response = exception_handler(error, context)
    if response is not None:
        response.data = _from_framework(error, response)
        response.content_type = CONTENT_TYPE
    return response


def status_of(error: PlumblineError) -> int:
    """Return the status of a refusal: 404 for what is unknown, 409 for a conflict, else 400."""
    if error.code.startswith("unknown_"):
        return 404
    return 409 if error.code.endswith("_conflict") else 400


def _answer(body: dict[str, Any], status: int) -> Response:
    return Response(body, status=status, content_type=CONTENT_TYPE)


def _from_framework(error: Exception, response: Response) -> dict[str, Any]:
    status = response.status_code
    if isinstance(error, exceptions.ValidationError):
        detail = "the request holds values that cannot be used"
        return problem(status=status, code="invalid", detail=detail, errors=response.data)
    found = getattr(error, "detail", None)
    code = getattr(found, "code", None) or ("not_found" if status == 404 else "error")
    if isinstance(found, dict):  # simplejwt's errors carry their own code
        code, found = str(found.get("code", code)), found.get("detail", "")
    detail = str(found) if found else "nothing is there"
    return problem(status=status, code=code, detail=detail)


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 404: a problem below /api/, a page elsewhere."""
    if _is_api(request):
        return problem_page(status=404, code="not_found", detail="no such address")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer 500: a problem below /api/, a page elsewhere; never a traceback."""
    if _is_api(request):
        return problem_page(status=500, code="server_error", detail="our fault, and it is logged")
    return defaults.server_error(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 400: a problem below /api/, a page elsewhere."""
    if _is_api(request):
        return problem_page(status=400, code="bad_request", detail="the request is malformed")
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 403: a problem below /api/, a page elsewhere."""
    if _is_api(request):
        return problem_page(status=403, code="forbidden", detail="not allowed")
    return defaults.permission_denied(request, exception)
