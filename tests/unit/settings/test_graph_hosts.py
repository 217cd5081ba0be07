"""Where tenants' tokens may be sent: to hosts on the list, and encrypted unless they stay here."""

from pathlib import Path

import pytest

from manyline.base.errors import SettingsError
from manyline.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own settings, and no `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)


def refused(monkeypatch: pytest.MonkeyPatch, **values: str) -> str:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    return raised.value.detail


@pytest.mark.parametrize(
    "url",
    [
        "https://graph.facebook.com",
        "https://Graph.Facebook.com:443/",
        "http://127.0.0.1:4000",
        "https://127.0.0.1:4000",
        "http://localhost:4000/graph",
        "http://[::1]:4000",
        "http://me:s3cret@127.0.0.1:4000",
    ],
)
def test_meta_and_ones_own_machine_need_no_leave(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("GRAPH_BASE_URL", url)
    assert load_settings().graph_base_url == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://graph.facebook.com.example.org", "graph.facebook.com.example.org"),
        ("https://evilgraph.facebook.com", "evilgraph.facebook.com"),
        ("https://graph.facebook.com@example.org", "example.org"),
        ("https://graph.facebook.com:s3cret@example.org", "example.org"),
        ("http://simulator:4000", "simulator"),
        ("http://10.0.0.7:4000", "10.0.0.7"),
        ("https://127.0.0.2", "127.0.0.2"),
    ],
)
def test_another_host_is_refused_by_name_and_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, url: str, host: str
) -> None:
    told = refused(monkeypatch, GRAPH_BASE_URL=url)
    assert told.startswith(f"GRAPH_BASE_URL names the host {host}, ")
    assert "GRAPH_ALLOWED_HOSTS" in told
    assert "s3cret" not in told


def test_a_host_on_the_list_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPH_BASE_URL", "https://graph-proxy.internal:8443")
    monkeypatch.setenv("GRAPH_ALLOWED_HOSTS", " Graph-Proxy.internal , [::1],")
    settings = load_settings()
    assert settings.graph_allowed_hosts == ("graph-proxy.internal", "::1")
    assert settings.graph_base_url == "https://graph-proxy.internal:8443"


def test_the_list_replaces_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(monkeypatch, GRAPH_ALLOWED_HOSTS="graph-proxy.internal")
    assert "graph.facebook.com" in told


def test_tokens_do_not_cross_a_network_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(
        monkeypatch,
        GRAPH_BASE_URL="http://graph.facebook.com",
        GRAPH_ALLOWED_HOSTS="graph.facebook.com",
    )
    assert told.startswith("GRAPH_BASE_URL")
    assert "https" in told


@pytest.mark.parametrize(
    "hosts", [",", "https://graph.facebook.com", "host:443", "a b", "*", "host/path", "-x"]
)
def test_what_is_no_list_of_hosts_is_refused(monkeypatch: pytest.MonkeyPatch, hosts: str) -> None:
    assert refused(monkeypatch, GRAPH_ALLOWED_HOSTS=hosts).startswith("GRAPH_ALLOWED_HOSTS must")


@pytest.mark.parametrize(
    "url", ["https://host:port", "https://:443", "https://host:99999", "http://[::1", "https://@"]
)
def test_what_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert refused(monkeypatch, GRAPH_BASE_URL=url).startswith("GRAPH_BASE_URL must look like")
