"""What the API answers to replays and marks: what really became of each message."""

from typing import Annotated

from pydantic import Field

from manyline.entry.api.shown import Moment, Shown
from manyline.entry.api.shown_messages import is_none
from manyline.sending.replay_results import Report, Result


class ResultShown(Shown):
    """What became of one message of many."""

    message_id: str
    outcome: str
    status: str | None
    detail: Annotated[str | None, Field(exclude_if=is_none)] = None
    retry_at: Annotated[Moment | None, Field(exclude_if=is_none)] = None


class ReplayedShown(Shown):
    """What a replay of many really did; `more`: ask again for the rest of the filter's."""

    ok: bool = True
    replayed: int
    results: list[ResultShown]
    more: bool


class MarkedShown(Shown):
    """What marking many as sent really did; `more`: ask again for the rest of the filter's."""

    ok: bool = True
    marked_sent: int
    results: list[ResultShown]
    more: bool


def show_results(report: Report) -> list[ResultShown]:
    """What became of each message, in the order in which they were asked for or found."""
    return [_show_result(result) for result in report.results]


def _show_result(result: Result) -> ResultShown:
    return ResultShown(
        message_id=str(result.message_id),
        outcome=result.outcome,
        status=result.status,
        detail=result.detail,
        retry_at=result.retry_at,
    )
