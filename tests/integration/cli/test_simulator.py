"""`manyline simulator` as a process of its own: its webhooks reach the API of these settings."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.request import Request, urlopen

import pytest

from manyline.settings import Settings

SECONDS = 20.0
ORDER = {"phone_number_id": "111111111111111", "from": "919111111111", "text": "hi"}
Start = Callable[..., "subprocess.Popen[str]"]


class Webhooks(HTTPServer):
    """In the API's place: keeps what arrives as (path, headers, body)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.arrived: Queue[tuple[str, dict[str, str], bytes]] = Queue()


class _Taking(BaseHTTPRequestHandler):
    server: Webhooks

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.arrived.put((self.path, dict(self.headers), body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the test prints nothing."""


@pytest.fixture
def api() -> Iterator[Webhooks]:
    with Webhooks() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield server
        server.shutdown()
        serving.join(SECONDS)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(*options, **settings)`, with no setting of this process' own."""
    ours = {"MANYLINE_DATA_DIR", *(name.upper() for name in Settings.model_fields)}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith("GRAPHSIM_")
    }
    started: list[subprocess.Popen[str]] = []

    def start(*options: str, **settings: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "manyline", "simulator", "--port", "0", *options],
            cwd=tmp_path,
            env=kept | {"MANYLINE_DATA_DIR": str(tmp_path)} | settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=SECONDS)


def url_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("graphsim is ready on "), line or process.communicate()[1]
    return line.split()[-1]


def tell(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(url, data, headers), timeout=SECONDS) as answer:
        return json.load(answer)


def test_a_signed_webhook_reaches_the_port_that_up_has_chosen(
    start: Start, api: Webhooks, tmp_path: Path
) -> None:
    (tmp_path / "ports.json").write_text(json.dumps({"api": api.server_port}))
    # Of two it signs with the first, which our own calls are proven with.
    simulator = url_of(start(PORT="0", APP_SECRET="an-app-secret,the-one-before"))
    tell(f"{simulator}/_sim/inbound", ORDER)
    path, headers, body = api.arrived.get(timeout=SECONDS)
    assert path == "/whatsapp/webhook"
    assert json.loads(body)["object"] == "whatsapp_business_account"
    digest = hmac.digest(b"an-app-secret", body, hashlib.sha256).hex()
    assert headers["X-Hub-Signature-256"] == f"sha256={digest}"


@pytest.mark.parametrize(
    ("options", "settings", "webhook_url"),
    [
        ((), {"PORT": "3005"}, "http://127.0.0.1:3005/whatsapp/webhook"),
        ((), {"HOST": "127.0.0.2"}, "http://127.0.0.2:3000/whatsapp/webhook"),
        (
            (),
            {"HOST": "0.0.0.0", "ALLOW_OPEN_BIND": "1"},
            "http://127.0.0.1:3000/whatsapp/webhook",
        ),
        (("--webhook-url", "http://there:1/hook"), {"PORT": "0"}, "http://there:1/hook"),
        ((), {"PORT": "0", "GRAPHSIM_WEBHOOK_URL": "http://there:2/hook"}, "http://there:2/hook"),
    ],
)
def test_webhooks_go_where_the_settings_say(
    start: Start, options: tuple[str, ...], settings: dict[str, str], webhook_url: str
) -> None:
    simulator = url_of(start(*options, **settings))
    assert tell(f"{simulator}/_sim/settings")["webhook_url"] == webhook_url


def test_a_port_that_nobody_has_chosen_is_one_line(start: Start) -> None:
    process = start(PORT="0")
    printed, complaint = process.communicate(timeout=SECONDS)
    assert (process.returncode, printed) == (78, "")
    assert len(complaint.splitlines()) == 1
    assert "say where webhooks go with --webhook-url" in complaint


def test_its_help_needs_no_port(start: Start) -> None:
    process = start("--help", PORT="0")
    assert "--status-delay" in process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 0
