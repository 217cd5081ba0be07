"""Every error as RFC 9457 `application/problem+json`; one table says which status each has.

Nothing a caller sends may show more than this: no stack, no secret, no value of theirs.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from manyline.base.batching import OverloadedError
from manyline.base.errors import ManylineError, StoreUnavailableError
from manyline.base.paging import BadCursorError
from manyline.conversations.models import ConversationNotFoundError
from manyline.entry.api.shown import iso
from manyline.events.models import EventsUnavailableError
from manyline.inbound.ledger.models import LedgerOffError
from manyline.inbound.models import BadSignatureError
from manyline.inbound.quarantine.models import NotInQuarantineError
from manyline.infra.documents import UnstorableError
from manyline.messages.models import MessageNotFoundError
from manyline.meta.webhook import MalformedWebhookError
from manyline.sending.refusals import (
    OUTSIDE_WINDOW,
    BadRecipientError,
    IdempotencyConflictError,
    KeysDifferError,
    ReservedKeyError,
    WindowClosedError,
)
from manyline.sending.replay_results import (
    CallUnderWayError,
    NotInDoubtError,
    NotReplayableError,
)
from manyline.tenants.models import (
    GraphUnreachableError,
    MockTokenRefusedError,
    PhoneNumberTakenError,
    TenantChangedError,
    TenantNotActiveError,
    TenantNotFoundError,
    TokenRefusedError,
)
from manyline.vault.keyring import VaultError

STATUS_OF: dict[type[ManylineError], int] = {
    BadCursorError: 400,
    BadRecipientError: 422,
    BadSignatureError: 401,
    CallUnderWayError: 409,
    ConversationNotFoundError: 404,
    EventsUnavailableError: 503,
    GraphUnreachableError: 503,
    IdempotencyConflictError: 422,
    KeysDifferError: 422,
    LedgerOffError: 409,
    MalformedWebhookError: 400,
    MessageNotFoundError: 404,
    MockTokenRefusedError: 422,
    NotInDoubtError: 409,
    NotInQuarantineError: 404,
    NotReplayableError: 409,
    OverloadedError: 503,
    PhoneNumberTakenError: 409,
    ReservedKeyError: 422,
    StoreUnavailableError: 503,
    TenantChangedError: 409,
    TenantNotActiveError: 409,
    TenantNotFoundError: 404,
    TokenRefusedError: 422,
    UnstorableError: 422,
    VaultError: 500,
    WindowClosedError: 422,
}
RETRY_AFTER_SECONDS = "2"

log = structlog.get_logger(__name__)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    request_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """A problem document; ASCII on the wire, so that any key a caller chose can be named."""
    body = {
        "type": f"urn:manyline:problem:{code}",
        "code": code,
        "status": status,
        "detail": detail,
        "request_id": request_id,
        **more,
    }
    return Response(
        json.dumps(body).encode(),
        status_code=status,
        media_type="application/problem+json",
        headers=headers,
    )


def install(app: FastAPI) -> None:
    """Render every error of this app's routes as a problem."""
    app.add_exception_handler(ManylineError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unexpected)


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, ManylineError)  # noqa: S101 - what this handler is installed for
    return from_error(error, request_id=request_id_of(request))


def from_error(error: ManylineError, *, request_id: str | None) -> Response:
    """The problem that one of our errors becomes; logs those that a person must look at."""
    status = STATUS_OF.get(type(error), 500)
    if error.alarm or status == 500:
        log.error("request.alarm", code=error.code, detail=error.detail)
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if error.retryable else None
    return problem(
        status, error.code, error.detail, request_id=request_id, headers=headers, **_more(error)
    )


def _more(error: ManylineError) -> dict[str, Any]:
    """What a program reads besides the sentence: a field at fault, Graph's code, a status."""
    more: dict[str, Any] = {}
    match error:
        case BadRecipientError():
            more = _at_fault("to", error)
        case ReservedKeyError() | IdempotencyConflictError() | KeysDifferError():
            more = _at_fault("idempotency_key", error)
        case WindowClosedError():
            more = {**_at_fault("text", error), "graphCode": OUTSIDE_WINDOW}
        case MockTokenRefusedError():
            more = _at_fault("accessToken", error)
        case TokenRefusedError(graph_code=code, fbtrace_id=trace):
            more = {**_at_fault("accessToken", error), "graphCode": code, "fbtraceId": trace}
        case NotReplayableError(status=status) | NotInDoubtError(status=status):
            more = {"messageStatus": status}
        case CallUnderWayError(status=status, retry_at=retry_at):
            more = {"messageStatus": status, "retryAt": retry_at and iso(retry_at)}
    return more


def _at_fault(field: str, error: ManylineError) -> dict[str, Any]:
    return {"errors": [{"field": field, "message": error.detail.removeprefix(f"{field}: ")}]}


async def _on_invalid(request: Request, error: Exception) -> Response:
    """422 naming each field; 400 when the body is no JSON at all."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what this handler is installed for
    found = error.errors()
    if any(each.get("type") == "json_invalid" for each in found):
        return problem(400, "bad_json", "the body is not JSON", request_id=request_id_of(request))
    fields = [{"field": _field(each["loc"]), "message": str(each["msg"])} for each in found]
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in fields[:5])
    return problem(
        422, "invalid_request", detail, request_id=request_id_of(request), errors=fields[:20]
    )


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what this handler is installed for
    return problem(
        error.status_code,
        {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error"),
        str(error.detail),
        request_id=request_id_of(request),
        headers=error.headers,
    )


async def _on_unexpected(request: Request, _error: Exception) -> Response:
    """What nobody expected; it is raised on after this, and logged by the outermost layer."""
    return internal_error(request_id_of(request))


def internal_error(request_id: str | None) -> Response:
    """The answer to what nobody expected."""
    return problem(
        500,
        "internal",
        "something went wrong on our side; nothing was promised, and it has been noted under this"
        " request_id",
        request_id=request_id,
    )


def request_id_of(request: Request) -> str | None:
    """The id that the outermost layer gave this request."""
    found = request.scope.get("request_id")
    return str(found) if found is not None else None


def _field(location: Sequence[int | str]) -> str:
    parts = [str(part) for part in location if part not in ("body", "query", "path", "header")]
    return ".".join(parts) or "body"
