"""The private Valkey: on loopback, append-only file, and never an evicted key."""

import asyncio
from pathlib import Path

from manyline.infra.embedded.answering import until
from manyline.infra.embedded.binaries import find_valkey
from manyline.infra.embedded.child import Child, Command
from manyline.infra.embedded.directory import DataDirectory
from manyline.infra.embedded.mongod import server_environment
from manyline.infra.embedded.ports import LOOPBACK, KeptPorts
from manyline.infra.embedded.records import ProcessRecords

ROLE = "valkey"
OPTIONS = (
    "--daemonize no",
    "--protected-mode yes",
    "--loglevel notice",
    "--save ''",
    # BullMQ needs both: a job that was added is found after a restart (up to a second may be lost,
    # and the relay rebuilds it), and none is evicted to make room.
    "--appendonly yes",
    "--appendfsync everysec",
    "--maxmemory-policy noeviction",
)


class Valkey:
    """Starts Valkey with its data in `DATA_DIR/valkey`; its port is chosen once and kept."""

    role = ROLE

    def __init__(self, directory: DataDirectory, ports: KeptPorts, records: ProcessRecords) -> None:
        self._directory = directory
        self._ports = ports
        self._records = records
        self._binary = Path()
        self._port = 0

    def prepare(self) -> None:
        """Find the program and choose the port; `start` does it if needed. Raises `BinaryError`."""
        self._binary = find_valkey()
        self._port = self._ports.claim(ROLE)

    @property
    def host(self) -> str:
        """Loopback."""
        return LOOPBACK

    @property
    def port(self) -> int:
        """0 before `prepare`."""
        return self._port

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{LOOPBACK}:{self._port}"

    def spawn(self) -> Child:
        """Start it where it was prepared to be, and return at once."""
        return Child(self._command(), self._records)

    async def start(self) -> Child:
        """Start it and return when it has loaded its file and takes commands."""
        if not self._port:
            self.prepare()
        child = self.spawn()
        try:
            await until(child, self._answers)
        except BaseException:
            await child.kill()
            raise
        return child

    async def _answers(self) -> bool:
        """PING is refused with `-LOADING` while the append-only file is read."""
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, self._port)
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            answer = await reader.readline()
        except OSError:
            return False
        finally:
            writer.close()
        return answer.startswith(b"+PONG")

    def _command(self) -> Command:
        data = self._directory.server_data("valkey")
        where = (f"--port {self._port}", f"--bind {LOOPBACK}")
        pairs = [part for option in (*where, *OPTIONS) for part in option.split(" ", 1)]
        words = ["" if part == "''" else part for part in pairs]
        argv = (str(self._binary), "--dir", str(data), *words)
        return Command(ROLE, argv, server_environment(), self._directory.log_of(ROLE))
