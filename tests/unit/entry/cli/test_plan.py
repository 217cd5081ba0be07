"""What `up` decides before it starts anything."""

import socket
from pathlib import Path
from typing import Any

import pytest

from manyline.base.errors import SettingsError
from manyline.entry.cli.plan import Plan, make_plan
from manyline.infra.embedded.directory import DataDirectory
from manyline.infra.embedded.ports import KeptPorts
from manyline.settings import load_settings


def plan_for(folder: Path, *, with_simulator: bool = False, **settings: Any) -> Plan:
    directory = DataDirectory.open(folder)
    return make_plan(
        load_settings(_env_file=None, **({"port": 0} | settings)),
        directory,
        KeptPorts(directory.ports_file),
        with_simulator=with_simulator,
        stores={"MONGO_URI": "mongodb://127.0.0.1:20001/pocdb"},
    )


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("APP_SECRET", "VERIFY_TOKEN", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)


def test_children_learn_what_was_decided(tmp_path: Path) -> None:
    plan = plan_for(tmp_path)
    command = plan.part("api")
    assert command.argv[1:] == ("-m", "manyline", "api")
    assert command.log == tmp_path / "logs" / "api.log"
    assert command.environment["PORT"] == str(plan.port) != "0"
    assert command.environment["MANYLINE_DATA_DIR"] == str(tmp_path)
    assert command.environment["MONGO_URI"] == "mongodb://127.0.0.1:20001/pocdb"
    assert "APP_SECRET" not in plan.environment
    assert "GRAPH_BASE_URL" not in plan.environment


def test_the_simulator_and_the_api_know_each_other_and_share_a_secret(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, with_simulator=True, verify_token="handshake")
    simulator = plan.simulator()
    assert plan.environment["GRAPH_BASE_URL"] == plan.simulator_url
    assert f"{plan.url}/whatsapp/webhook" in simulator.argv
    secret = plan.environment["APP_SECRET"]
    assert plan.made_secret
    assert len(secret) == 64
    assert simulator.environment["GRAPHSIM_APP_SECRET"] == secret
    assert simulator.environment["GRAPHSIM_VERIFY_TOKEN"] == "handshake"
    assert not any(secret in word for word in simulator.argv)
    assert secret not in repr(plan)
    assert plan_for(tmp_path, with_simulator=True).environment["APP_SECRET"] == secret


def test_an_app_secret_that_is_set_is_the_one(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, with_simulator=True, app_secret="given")
    assert plan.environment["APP_SECRET"] == "given"
    assert not plan.made_secret
    assert not (tmp_path / "simulator.app-secret").exists()


def test_of_two_app_secrets_the_simulator_signs_with_the_first(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, with_simulator=True, app_secret="new,old")
    assert plan.environment["APP_SECRET"] == "new,old"
    assert plan.simulator().environment["GRAPHSIM_APP_SECRET"] == "new"


@pytest.mark.parametrize(
    ("host", "reached"),
    [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("0.0.0.0", "127.0.0.1")],
)
def test_the_address_to_show_is_one_that_can_be_reached(
    tmp_path: Path, host: str, reached: str
) -> None:
    plan = plan_for(tmp_path, host=host, allow_open_bind=True)
    assert plan.url == f"http://{reached}:{plan.port}"


def test_ipv6_stands_in_brackets(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, host="::", allow_open_bind=True)
    assert plan.url == f"http://[::1]:{plan.port}"


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen(1)
        port = stranger.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port} is taken by another program"):
            plan_for(tmp_path, port=port)


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot listen on 192\.0\.2\.1:25000"):
        plan_for(tmp_path, host="192.0.2.1", port=25_000, allow_open_bind=True)
