"""Idempotency-Key: the same request twice has one effect and one answer.

Key, effect and answer are one transaction. Whoever comes second with the same key waits at the
unique row until the first has committed, and gets its answer.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

from tradingsite.access.problems import problem_page
from tradingsite.models import IdempotencyKey

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Tokens are never kept: an answer from there is a secret.
TOKENS = "/api/v1/token/"
KEY = re.compile(r"[A-Za-z0-9._:~-]{1,120}")
MALFORMED = "Idempotency-Key is 1 to 120 letters, digits or . _ : ~ -"
CONFLICT = "this Idempotency-Key was used for another request"
# Nothing happened and the next try may fare better: these are no answer to keep.
PASSING = frozenset({401, 403, 408, 429})


@dataclass(frozen=True, slots=True)
class Claim:
    """What one request says of itself."""

    caller: str
    key: str
    request_hash: str


class IdempotencyMiddleware:
    """Stands next to the views, so that its transaction holds their effect and little else."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, from the store if this very request was answered before."""
        key = request.headers.get("Idempotency-Key")
        if key is None or not _is_covered(request):
            return self.get_response(request)
        if not KEY.fullmatch(key):
            return problem_page(status=400, code="bad_idempotency_key", detail=MALFORMED)
        caller = _caller(request)
        if caller is None:  # the view refuses it; nothing to keep
            return self.get_response(request)
        return self._once(request, Claim(caller, key, _request_hash(request)))

    def _once(self, request: HttpRequest, claim: Claim) -> HttpResponse:
        with transaction.atomic():
            row = _insert(claim)
            if row is None:
                return _stored_answer(claim)
            before = transaction.savepoint()
            response = self.get_response(request)
            if response.status_code >= 500 or response.status_code in PASSING:
                transaction.set_rollback(True)
                return response
            if response.status_code >= 400:
                # A refusal is an answer worth keeping, and has no effect.
                transaction.savepoint_rollback(before)
            IdempotencyKey.objects.filter(pk=row).update(
                status=response.status_code,
                content_type=response.get("Content-Type", "")[:80],
                answer=response.content,
            )
            return response


def _is_covered(request: HttpRequest) -> bool:
    path = request.path_info
    is_api = path.startswith("/api/") and not path.startswith(TOKENS)
    return is_api and request.method in WRITES


def _caller(request: HttpRequest) -> str | None:
    """Return the person's hash: a key outlives the ten minutes of a token."""
    user: AbstractBaseUser | None = None
    try:
        found = JWTAuthentication().authenticate(Request(request))
        user = found[0] if found else None
    except APIException:
        return None
    if user is None and request.user.is_authenticated:
        user = request.user
    if user is None:
        return None
    return hashlib.sha256(f"user:{user.pk}".encode()).hexdigest()


def _request_hash(request: HttpRequest) -> str:
    head = f"{request.method} {request.get_full_path()}\n{request.content_type}\n"
    return hashlib.sha256(head.encode() + request.body).hexdigest()


def _insert(claim: Claim) -> int | None:
    """Return the id of the new row; None when the key is taken, once its owner has committed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tradingsite_idempotencykey"
            " (caller, key, request_hash, status, content_type, answer)"
            " VALUES (%s, %s, %s, 0, '', '') ON CONFLICT (caller, key) DO NOTHING RETURNING id",
            [claim.caller, claim.key, claim.request_hash],
        )
        found = cursor.fetchone()
    return found[0] if found else None


def _stored_answer(claim: Claim) -> HttpResponse:
    row = IdempotencyKey.objects.get(caller=claim.caller, key=claim.key)
    if row.request_hash != claim.request_hash:
        return problem_page(status=409, code="idempotency_conflict", detail=CONFLICT)
    answer = HttpResponse(bytes(row.answer), status=row.status, content_type=row.content_type)
    answer["Idempotency-Replayed"] = "true"
    return answer
