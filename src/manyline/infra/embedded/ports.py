"""Loopback ports that are chosen once and kept, so that a restart finds everything where it was."""

import errno
import json
import random
import socket
from pathlib import Path

from manyline.infra.embedded.directory import write_private
from manyline.infra.embedded.errors import EmbeddedError

# Below the range from which Linux takes ports for outgoing connections (32768 and up): a kept port
# is then not taken by some passing connection while its server is down.
PORTS = range(20_000, 30_000)
LOOPBACK = "127.0.0.1"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now; `OSError` when the address itself is no good."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections of a server that just ended do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


class KeptPorts:
    """One port for each role, written to a JSON file of `{role: port}`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def claim(self, role: str, *, prefer: int | None = None) -> int:
        """The kept port if it is free, else `prefer`, else a new one; the choice is kept."""
        kept = self._read()
        others = {port for name, port in kept.items() if name != role}
        for port in (kept.get(role), prefer):
            if port is not None and port not in others and is_free(port):
                return self._keep(kept, role, port)
        candidates = [port for port in PORTS if port not in others]
        random.shuffle(candidates)
        for port in candidates:
            if is_free(port):
                return self._keep(kept, role, port)
        raise EmbeddedError(f"no free port for {role} from {PORTS[0]} to {PORTS[-1]}")

    def _keep(self, kept: dict[str, int], role: str, port: int) -> int:
        if kept.get(role) != port:
            write_private(self._file, json.dumps(kept | {role: port}, indent=2) + "\n")
        return port

    def _read(self) -> dict[str, int]:
        """What is kept; a file that makes no sense keeps nothing, and every port is chosen anew."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {str(role): port for role, port in found.items() if isinstance(port, int)}
