"""A Graph API that costs next to nothing: nginx answers every POST with a wamid of its own.

It judges nothing and sends no statuses, so what is measured is ours. Its own count of requests
is the proof that each reply was POSTed once.
"""

import os
import re
import socket
import urllib.request
from pathlib import Path

from bench.processes import Process, wait_until
from bench.programs import find

ANSWER = (
    '{"messaging_product":"whatsapp","contacts":[{"input":"1"}],'
    '"messages":[{"id":"wamid.$request_id"}]}'
)
# One process without a master: all its CPU time is in one place.
CONFIG = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type application/json; return 200 '{answer}'; }}
    location = /_requests {{ stub_status; }}
  }}
}}
"""


class FakeGraph:
    """nginx on a free port of loopback, with its files in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._port = free_port()
        config = directory / "nginx.conf"
        config.write_text(CONFIG.format(port=self._port, answer=ANSWER))
        argv = [find("nginx"), "-p", str(directory), "-c", str(config)]
        self.process = Process("nginx", argv, environment=os.environ, directory=directory)
        wait_until(self._listens, what="nginx did not answer", seconds=10)

    @property
    def url(self) -> str:
        """For `GRAPH_BASE_URL`."""
        return f"http://127.0.0.1:{self._port}"

    def requests(self) -> int:
        """Requests so far, this question included."""
        with urllib.request.urlopen(f"{self.url}/_requests") as answer:
            text = answer.read().decode()
        counts = re.search(r"requests\n\s*\d+\s+\d+\s+(\d+)", text)
        assert counts is not None
        return int(counts[1])

    def _listens(self) -> bool:
        self.process.check()
        try:
            self.requests()
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
