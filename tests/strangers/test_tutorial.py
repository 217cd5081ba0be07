"""The tutorial's own lines, as somebody would copy them, against a system with the simulator."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.system import System, request, wait_until

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = (DOCS / "tutorial.md").read_text()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed, and the tutorial uses it")
    system = System(tmp_path_factory.mktemp("tutorial") / "data", "--simulator")
    try:
        yield system.wait_ready()
    finally:
        system.end()


class Reader:
    """Follows the tutorial part by part; the shell variable it sets is kept."""

    def __init__(self, system: System) -> None:
        self._places = {
            "localhost:3000": system.url.removeprefix("http://"),
            "localhost:4000": system.simulator_url.removeprefix("http://"),
        }
        self._tenant = ""

    def do(self, part: int) -> list[Any]:
        """Run the part's bash blocks; what each command printed, as JSON."""
        text = re.split(r"^## \d+\. ", TUTORIAL, flags=re.MULTILINE)[part]
        printed: list[Any] = []
        for block in re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            if block.startswith("TENANT="):
                self._tenant = printed[-1]["tenantId"]
                continue
            printed += self._run(block)
        return printed

    def _run(self, block: str) -> list[Any]:
        for documented, here in self._places.items():
            block = block.replace(documented, here)
        block = re.sub(r"^curl", "curl -sS -w '\\\\n'", block, flags=re.MULTILINE)
        script = f"set -euo pipefail\nTENANT={self._tenant}\n{block}"
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line]


def test_the_tutorial_does_what_it_says(system: System) -> None:
    reader = Reader(system)
    [registered] = reader.do(2)
    assert registered["ok"] is True

    said, _ = reader.do(3)
    messages = f"{system.url}/tenants/{registered['tenantId']}/messages"
    reply, inbound = wait_until(lambda: all_read(messages, 2), what="the reply, read")
    assert (inbound["body"], [inbound["waMessageId"]]) == ("hi", said["wamids"])
    assert reply["body"] == "thanks for reaching us\n- team Tenant A"
    assert {"sent", "delivered", "read"} <= reply["statusAt"].keys()

    [first] = reader.do(4)
    [second] = reader.do(4)
    assert first == second
    wait_until(lambda: all_read(messages, 3), what="the order's message, read")

    reader.do(5)
    doubtful, *_ = wait_until(lambda: all_read(messages, 4), what="the doubt, settled")
    assert doubtful["body"] == "Are you there?"
    assert "in_doubt" in doubtful["statusAt"]
    posts = request(f"{system.simulator_url}/_sim/journal").json["entries"]
    assert [post["body"] for post in posts].count("Are you there?") == 1


def all_read(url: str, count: int) -> list[dict[str, Any]]:
    """The messages, newest first, once there are so many and every outgoing one was read."""
    items: list[dict[str, Any]] = request(url).json["items"]
    outgoing = {item["status"] for item in items if item["direction"] == "OUT"}
    return items if len(items) == count and outgoing == {"read"} else []


@pytest.mark.parametrize("page", ["tutorial.md", "troubleshooting.md", "containers.md"])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", (DOCS / page).read_text()):
        assert (DOCS / target).exists(), f"{page} links to {target}"
