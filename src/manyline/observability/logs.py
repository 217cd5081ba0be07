"""Structured logs: JSON in production, readable in development.

Every line carries what was bound to its context (`request_id`, `tenant_id`). No line ever holds a
secret, a phone number or a message body: values of known names are struck out as a last net, but
the rule is not to log them at all.
"""

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

STRUCK_OUT = {
    *("access_token", "accesstoken", "app_secret", "appsecret", "authorization", "master_key"),
    *("password", "secret", "token", "verify_token"),
    *("body", "content", "text"),
    *("from", "recipient", "sender", "to", "wa_id", "waid"),
}

Line = MutableMapping[str, Any]


def configure_logs(*, json_lines: bool, level: str, role: str) -> None:
    """Set up structlog, and the standard library's loggers behind it, for this process."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_role(role),
        strike_out,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if json_lines
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    )
    threshold = getattr(logging, level.upper())
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Lossy(sys.stdout))),
        cache_logger_on_first_use=True,
    )
    _route_standard_library(shared, renderer, threshold)


class _Lossy:
    """A stream that may lose lines: its disk is full, or nobody reads the pipe any more.

    Whoever wrote the line goes on: a log that fails must not end a worker, nor a connection whose
    webhook is stored.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def strike_out(_logger: Any, _method: str, line: Line) -> Line:
    """Replace the value of any key that could hold a secret, a number or a message body."""
    for key in line:
        if key.lower() in STRUCK_OUT:
            line[key] = "[struck out]"
    return line


def _name_role(role: str) -> structlog.typing.Processor:
    def add_role(_logger: Any, _method: str, line: Line) -> Line:
        line["role"] = role
        return line

    return add_role


def _route_standard_library(
    shared: list[structlog.typing.Processor],
    renderer: structlog.typing.Processor,
    threshold: int,
) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(threshold, logging.WARNING))
