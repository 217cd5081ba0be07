"""The command line: errors in one line, exit codes, and what `up` shows and waits for."""

import io
from typing import Any

import pytest
import typer

from manyline.base.errors import SettingsError, StoreUnavailableError
from manyline.entry.cli.errors import errors_in_one_line
from manyline.entry.cli.readiness import is_ready, missing
from manyline.entry.cli.terminal import Terminal
from manyline.infra.embedded.supervise import POINTLESS_EXIT


@pytest.mark.parametrize(
    ("error", "code"),
    [(SettingsError("PORT is odd"), POINTLESS_EXIT), (StoreUnavailableError("MongoDB is away"), 1)],
)
def test_an_expected_error_is_one_line_and_tells_up_whether_to_try_again(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    with pytest.raises(typer.Exit) as ended, errors_in_one_line():
        raise error
    assert ended.value.exit_code == code
    assert capsys.readouterr().err == f"manyline: {error}\n"


def test_an_unexpected_error_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), errors_in_one_line():
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("answer", "ready", "waits_for"),
    [
        (None, False, "the API does not answer yet"),
        (
            {
                "status": "degraded",
                "checks": {"mongodb": {"state": "up"}, "worker": {"state": "missing"}},
            },
            False,
            "worker: missing",
        ),
        ({"status": "ready", "checks": {"mongodb": {"state": "up"}}}, True, ""),
    ],
)
def test_ready_is_what_the_api_says(
    answer: dict[str, Any] | None, ready: bool, waits_for: str
) -> None:
    assert is_ready(answer) is ready
    assert missing(answer) == waits_for


def test_lines_of_children_stand_behind_their_role() -> None:
    stream = io.StringIO()
    Terminal(stream).lines_of("api")("a line")
    assert stream.getvalue() == "api       | a line\n"


def test_a_terminal_that_went_away_is_no_reason_to_stop() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    stream.close()
    terminal.say("anyone?")
