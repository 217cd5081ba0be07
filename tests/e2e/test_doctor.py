"""`manyline doctor` and `manyline tenants` beside a running `manyline up`, told nothing more."""

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import StartUp
from tests.e2e.system import System, bare_environment


def manyline(system: System, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A command as somebody types it who is in the same directory as `up`."""
    return subprocess.run(
        [sys.executable, "-m", "manyline", *words],
        cwd=system.data.parent,
        env=bare_environment() | {"PORT": "0", "MANYLINE_DATA_DIR": str(system.data)},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_finds_the_private_stores_the_port_and_the_simulators_secret(
    start_up: StartUp, tmp_path: Path
) -> None:
    system = start_up("--simulator", VERIFY_TOKEN="handshake").wait_ready()
    made = manyline(
        system,
        *("tenants", "register", "--name", "A", "--phone-number-id", "1" * 15),
        stdin="EAA-a-token\n",
    )
    assert made.returncode == 0, made.stderr
    found = manyline(system, "doctor", "--json")
    report = json.loads(found.stdout)
    states = {check["name"]: check["state"] for check in report["checks"]}
    # VERIFY_TOKEN is not known here, and nobody is to blame for that.
    assert {name for name, state in states.items() if state != "ok"} == {"handshake"}
    assert found.returncode == 0
    assert system.stop() == 0
    after = manyline(system, "doctor")
    assert after.returncode == 1
    assert "✗ MongoDB          MONGO_URI is not set, and no `manyline up` runs on" in after.stdout
