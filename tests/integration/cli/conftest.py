"""`manyline …` in this process, as its console script would run it."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from manyline.entry.cli.main import app
from manyline.settings import Settings


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Awaitable[Ran]]


@pytest.fixture
def _no_log() -> Iterator[None]:
    """The API runs in this process too, and its log would stand among what a command prints."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(io.StringIO()))
    yield
    structlog.reset_defaults()


@pytest.fixture
def run(_no_log: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Run:
    """`await run("tenants", "list", MANYLINE_URL=...)`, with no other setting than those given."""
    monkeypatch.chdir(tmp_path)
    for name in ("MANYLINE_URL", "MANYLINE_ACCESS_TOKEN", "MANYLINE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    async def invoke(*words: str, stdin: str = "", **environment: str) -> Ran:
        def command() -> Ran:
            ended = CliRunner().invoke(app, words, input=stdin, env=environment)
            if ended.exception and not isinstance(ended.exception, SystemExit):
                raise ended.exception
            return Ran(ended.exit_code, ended.stdout, ended.stderr)

        return await asyncio.to_thread(command)

    return invoke
