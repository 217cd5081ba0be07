"""Lines of the log: what they carry, and what they never do."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

from manyline.observability.failures import describe_failure
from manyline.observability.logs import STRUCK_OUT, configure_logs, strike_out
from manyline.tenants.models import TenantNotFoundError


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize(
    "name",
    ["access_token", "accessToken", "app_secret", "appSecret", "Authorization", "master_key",
     "password", "token", "verify_token", "body", "text", "content", "from", "to", "sender",
     "recipient", "wa_id", "waId"],
)  # fmt: skip
def test_a_value_of_such_a_name_is_struck_out(name: str) -> None:
    line = strike_out(None, "info", {"event": "x", name: "+919111111111", "tenant_id": "t"})
    assert line[name] == "[struck out]"
    assert (line["event"], line["tenant_id"]) == ("x", "t")


def test_names_are_kept_in_lower_case_or_they_would_never_match() -> None:
    assert all(name == name.lower() for name in STRUCK_OUT)


def test_json_lines_carry_role_time_level_and_context(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(json_lines=True, level="info", role="api")
    structlog.contextvars.bind_contextvars(request_id="req_1", tenant_id="t1")
    log = structlog.get_logger("test")
    log.info("something", token="EAAG", count=3)
    log.debug("not shown")
    [line] = capsys.readouterr().out.splitlines()
    told: dict[str, Any] = json.loads(line)
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "event": "something",
        "level": "info",
        "role": "api",
        "request_id": "req_1",
        "tenant_id": "t1",
        "token": "[struck out]",
        "count": 3,
    }


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        configure_logs(json_lines=True, level="info", role="api")
        structlog.get_logger("test").info("something")
        with pytest.raises(OSError, match="No space left"):
            full.flush()
        with suppress(OSError):
            full.close()


def test_other_libraries_lines_are_of_the_same_kind(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(json_lines=True, level="info", role="worker")
    logging.getLogger("somewhere").warning("careful: %s", 5)
    logging.getLogger("somewhere").info("chatter")
    [line] = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["role"]) == ("careful: 5", "warning", "worker")


def test_a_failure_is_told_by_kind_and_place_and_a_foreign_one_without_its_words() -> None:
    def place() -> None:
        raise ValueError("+919111111111 said: my secret")

    with pytest.raises(ValueError, match="said") as raised:
        place()
    told = describe_failure(raised.value)
    assert told["error"] == "ValueError"
    assert any("place" in frame for frame in told["where"])
    assert "secret" not in json.dumps(told)
    assert describe_failure(TenantNotFoundError("no tenant"))["detail"] == "no tenant"
