"""What a terminal is given."""

import json
import re
import sys
from collections.abc import Callable

import pytest

from manyline.entry.api.shown import show_tenant
from manyline.entry.cli.show import one_line, show_facts, show_json, show_table
from manyline.tenants.models import Tenant, TenantStatus


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "yes"),
        (80, "80"),
        ("two\n lines\tand more", "two lines and more"),
        ("\x1b[31mred\x07", "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"),
        ("\u202eback", "\N{REPLACEMENT CHARACTER}back"),
        ("ধন্যবাদ 👍", "ধন্যবাদ 👍"),
    ],
)
def test_a_value_is_one_harmless_line(value: object, shown: str) -> None:
    assert one_line(value) == shown


def test_an_id_in_a_table_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    item = {"id": "6" * 24, "body": "x" * 500, "inner": {"name": "[bold]"}}
    show_table({"id": "id", "name": "inner.name", "text": "body"}, [item])
    _heading, line = capsys.readouterr().out.splitlines()
    assert line.split()[:2] == ["6" * 24, "[bold]"]


def test_facts_name_the_path_and_leave_out_what_is_not_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_facts({"a": 1, "inner": {"b": False}, "none": None})
    assert capsys.readouterr().out.splitlines() == ["a        1", "inner.b  no"]


HOSTILE = {"text": "\x9b2J\x1b]0;owned\x07 \u202eback \u2066ধন্যবাদ"}


def test_json_on_a_terminal_does_not_act_on_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    show_json(HOSTILE)
    plain = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert not re.search(r"[^\n\x20-\x7e]", plain)
    assert json.loads(plain) == HOSTILE


def test_json_in_a_pipe_is_the_same_value(capsys: pytest.CaptureFixture[str]) -> None:
    show_json(HOSTILE)
    out = capsys.readouterr().out
    assert json.loads(out) == HOSTILE
    assert "ধন্যবাদ" in out


def test_a_paused_tenant_is_shown_with_graphs_code_and_its_settings(
    capsys: pytest.CaptureFixture[str], make_tenant: Callable[..., Tenant]
) -> None:
    tenant = make_tenant(
        status=TenantStatus.PAUSED, paused_reason="The token has expired.", paused_code=190
    )
    show_facts(show_tenant(tenant).model_dump(mode="json", by_alias=True))
    facts = dict(
        re.split(r"\s{2,}", line, maxsplit=1) for line in capsys.readouterr().out.splitlines()
    )
    assert facts["status"] == "paused"
    assert facts["pausedReason"] == "The token has expired."
    assert facts["pausedCode"] == "190"
    assert facts["settings.inDoubtPolicy"] == "hold"
    assert facts["settings.checkWindow"] == "yes"
