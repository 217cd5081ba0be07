"""Where the API is, as a command on the same machine finds it."""

import json
from pathlib import Path
from typing import Any

import pytest

from manyline.base.errors import SettingsError
from manyline.entry.cli.address import api_url
from manyline.entry.cli.client import ApiClient
from manyline.settings import Settings


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:3000"),
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::", "http://[::1]:3000"),
    ],
)
def test_an_address_to_listen_on_becomes_one_to_ask_at(
    monkeypatch: pytest.MonkeyPatch, host: str, url: str
) -> None:
    monkeypatch.delenv("PORT", raising=False)
    assert api_url(settings(host=host, allow_open_bind=True)) == url


def test_a_port_that_up_has_chosen_is_found(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text(json.dumps({"api": 23456, "mongod": 20001}))
    assert api_url(settings(port=0, MANYLINE_DATA_DIR=tmp_path)) == "http://127.0.0.1:23456"


@pytest.mark.parametrize("kept", [None, "not json", "[]", '{"api": "x"}'])
def test_a_port_that_nobody_has_chosen_is_asked_for(tmp_path: Path, kept: str | None) -> None:
    if kept is not None:
        (tmp_path / "ports.json").write_text(kept)
    with pytest.raises(SettingsError, match="--url or MANYLINE_URL"):
        api_url(settings(port=0, MANYLINE_DATA_DIR=tmp_path))


@pytest.mark.parametrize("url", ["localhost:3000", "ftp://there", "http://", ""])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="is no URL of an API"):
        ApiClient(url, key=None)
