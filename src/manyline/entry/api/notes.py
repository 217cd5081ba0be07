"""What is noted of each request: its id, its line in the log, its place in the metrics."""

import structlog

from manyline.base.ids import new_token
from manyline.entry.api.routes.webhook import WEBHOOK_PATH
from manyline.observability.failures import describe_failure
from manyline.observability.metrics import HttpMetrics

log = structlog.get_logger(__name__)


class RequestNotes:
    """Notes requests, whichever way they took."""

    def __init__(self, metrics: HttpMetrics) -> None:
        self._metrics = metrics

    def begin(self) -> str:
        """A new request's id, which every line about it will carry.

        It is bound for this request alone: each runs in a task, which has a context of its own.
        """
        request_id = new_token("req")
        structlog.contextvars.bind_contextvars(request_id=request_id)
        return request_id

    def broke(self, error: Exception) -> None:
        """Nobody expected this."""
        log.error("request.broke", **describe_failure(error))

    def end(self, method: str, route: str, status: int | None, seconds: float | None) -> None:
        """It was answered, or its client had gone (status None).

        `seconds` None for an answer whose length says nothing, such as a stream of events.
        """
        self._metrics.count(route, status, seconds)
        if route == WEBHOOK_PATH and status == 200:
            return  # Thousands a second; the metrics tell of them.
        ms = None if seconds is None else round(seconds * 1000, 1)
        log.info("request", method=method, route=route, status=status, ms=ms)
