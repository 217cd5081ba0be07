"""One table says which HTTP status each error has; this holds it to the code."""

import importlib
import json
import pkgutil
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

import manyline
from manyline.base.errors import ManylineError, StoreUnavailableError
from manyline.entry.api.problems import STATUS_OF, from_error
from manyline.messages.states import MessageStatus
from manyline.sending.refusals import BadRecipientError, WindowClosedError
from manyline.sending.replay_results import (
    CallUnderWayError,
    NotInDoubtError,
    NotReplayableError,
    Outcome,
    Result,
)
from manyline.tenants.models import (
    GraphUnreachableError,
    TenantNotFoundError,
    TokenRefusedError,
)

# Never raised to a route: these end a process, a job or a start.
NEVER_ANSWERED = {
    "manyline.events.models.PositionLostError",
    "manyline.base.errors.SettingsError",
    "manyline.entry.api.server.AddressTakenError",
    "manyline.queue.errors.JobFailedError",
    "manyline.queue.errors.QueueUnavailableError",
    "manyline.queue.errors.WorkerDiedError",
}


def every_error() -> set[type[ManylineError]]:
    for module in pkgutil.walk_packages(manyline.__path__, "manyline."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: set[type[ManylineError]] = set()
    waiting = [ManylineError]
    while waiting:
        for error in waiting.pop().__subclasses__():
            found.add(error)
            waiting.append(error)
    return found


def named(error: type[ManylineError]) -> str:
    return f"{error.__module__}.{error.__name__}"


def test_every_error_has_a_status_or_is_known_never_to_need_one() -> None:
    missing = {
        named(error)
        for error in every_error() - STATUS_OF.keys()
        if not error.__module__.startswith(("manyline.infra.embedded", "manyline.entry.cli"))
    }
    assert missing == NEVER_ANSWERED


def test_codes_are_distinct_and_every_error_says_what_it_means() -> None:
    errors = [error for error in every_error() if error in STATUS_OF]
    codes = [error.code for error in errors]
    assert len(set(codes)) == len(codes)
    assert "internal" not in codes
    assert all(error.__doc__ for error in errors)


def test_an_error_to_retry_is_no_client_error() -> None:
    for error, status in STATUS_OF.items():
        if error.retryable:
            assert status in {409, 503}, named(error)


def test_a_problem_has_its_members() -> None:
    answer = from_error(TenantNotFoundError("there is no tenant"), request_id="req_1")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(bytes(answer.body)) == {
        "type": "urn:manyline:problem:tenant_not_found",
        "code": "tenant_not_found",
        "status": 404,
        "detail": "there is no tenant",
        "request_id": "req_1",
    }
    assert "retry-after" not in answer.headers


def test_who_may_try_again_is_told_when() -> None:
    answer = from_error(StoreUnavailableError("away"), request_id=None)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def rendered(error: ManylineError) -> dict[str, Any]:
    return dict(json.loads(bytes(from_error(error, request_id=None).body)))


def test_a_closed_window_names_graphs_code_since_when_and_the_way_out() -> None:
    problem = rendered(WindowClosedError(datetime(2026, 11, 19, 8, 30, tzinfo=UTC)))
    assert (problem["status"], problem["code"], problem["graphCode"]) == (
        422,
        "window_closed",
        131047,
    )
    for words in ("131047", "template", "2026-11-19 08:30 UTC", "checkWindow"):
        assert words in problem["detail"]
    assert [each["field"] for each in problem["errors"]] == ["text"]


def test_a_refused_token_names_graphs_code_for_a_program_too() -> None:
    error = TokenRefusedError("accessToken: no", graph_code=190, fbtrace_id="AbC")
    problem = rendered(error)
    assert (problem["status"], problem["code"]) == (422, "token_refused")
    assert (problem["graphCode"], problem["fbtraceId"]) == (190, "AbC")
    assert problem["errors"] == [{"field": "accessToken", "message": "no"}]


def test_an_unreachable_graph_is_no_fault_of_the_callers() -> None:
    answer = from_error(GraphUnreachableError("away"), request_id=None)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_a_recipient_that_cannot_be_is_the_field_to() -> None:
    problem = rendered(BadRecipientError("to: not a phone number"))
    assert problem["errors"] == [{"field": "to", "message": "not a phone number"}]


def test_a_replay_that_is_refused_names_the_status_and_when_to_come_again() -> None:
    until = datetime(2026, 11, 20, 12, 0, 5, 250_000, tzinfo=UTC)
    result = Result(
        ObjectId(), Outcome.CALL_UNDER_WAY, MessageStatus.FAILED, detail="why", retry_at=until
    )
    told = read_problem(from_error(CallUnderWayError(result), request_id=None))
    assert (told["status"], told["messageStatus"]) == (409, "failed")
    assert told["retryAt"] == "2026-11-20T12:00:05.250Z"
    for error in (NotReplayableError(result), NotInDoubtError(result)):
        told = read_problem(from_error(error, request_id=None))
        assert (told["status"], told["messageStatus"]) == (409, "failed")
        assert "why" in told["detail"]


def read_problem(answer: Any) -> dict[str, Any]:
    return dict(json.loads(answer.body))
