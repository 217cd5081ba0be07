"""A network that can be cut: each process in a network namespace, a router in the middle.

    mlfault-api-1 ──┐
    mlfault-valkey ─┤ mlfault-router ├─ this process: Meta, and all who call the system
    mlfault-mongod-1 ┘

A cut is a rule of the router's: packets between the two are forgotten, without a word to anybody.
So nobody is refused, and no connection ends: whoever waits, waits. The addresses are of a range
that is kept for tests of networks (RFC 2544), and reach nothing outside of this machine.

Needs root and iproute2, and nothing of the kernel's filters.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.hosts import META, Hosts
from tests.faults.row import NotPlayableError

PREFIX = "mlfault-"
ROUTER = f"{PREFIX}router"
OUR_LINK = f"{PREFIX}{META}"
"""This process' end of the link to the router."""
SUBNET, GATEWAY, OUR_ADDRESS = "198.18.0.0/24", "198.18.0.254", "198.18.0.1"
FIRST_HOST = 11
RULE = "100"
"""Priority of a cut among the router's rules: before its routes."""
OF_NAMESPACES = Path("/etc/netns")
"""`ip netns exec NAME` shows a process what lies in NAME here in the place of /etc."""
LOCK = Path(tempfile.gettempdir()) / f"{PREFIX}network.lock"


class CommandError(Exception):
    """A command of the system's failed; what it complained of."""


class Network(Hosts):
    """The hosts by the names of the processes on them; `open_network` puts it up."""

    def __init__(self, names: Sequence[str]) -> None:
        addresses = {name: f"198.18.0.{FIRST_HOST + place}" for place, name in enumerate(names)}
        self._addresses = {META: OUR_ADDRESS} | addresses
        self._cuts: list[list[str]] = []

    def address(self, name: str) -> str:
        """Of one host."""
        return self._addresses[name]

    def command(self, name: str, argv: Sequence[str]) -> list[str]:
        """In the host's namespace; `ip` becomes the program, so the process id is the program's."""
        return ["ip", "netns", "exec", f"{PREFIX}{name}", *argv]

    def graph_url(self, base_url: str) -> str:
        """Plain HTTP is for `localhost` only: on these hosts that is the runner's name."""
        return base_url.replace(OUR_ADDRESS, "localhost")

    @property
    def open_bind(self) -> bool:
        """Each listens on its host's address."""
        return True

    def cut(self, one: str, other: str) -> None:
        """From this very step on these two hear nothing of each other; see `heal`."""
        here, there = self.address(one), self.address(other)
        self._forget(["from", here, "to", there], ["from", there, "to", here])

    def cut_off(self, name: str) -> None:
        """From this very step on it hears nothing of anybody, and nobody of it."""
        address = self.address(name)
        self._forget(["from", address], ["to", address])

    def _forget(self, *packets: list[str]) -> None:
        for which in packets:
            _ip("-n", ROUTER, "rule", "add", *which, "priority", RULE, "blackhole")
            self._cuts.append(which)

    def heal(self) -> None:
        """All hear each other again, at once."""
        while self._cuts:
            _ip("-n", ROUTER, "rule", "del", *self._cuts.pop(), "priority", RULE, "blackhole")

    def connections(self, name: str, other: str, state: str = "established") -> int:
        """How many connections one host has to another now, in this state of TCP's."""
        asked = ("-N", f"{PREFIX}{name}", "-Htn", "state", state, "dst", self.address(other))
        return len(_said("ss", *asked).splitlines())

    def put_up(self) -> None:
        """Every host and the router; raises `CommandError` when this machine refuses."""
        _ip("netns", "add", ROUTER)
        # It replies for its address on every link, whichever it is given to.
        _ip("-n", ROUTER, "addr", "add", f"{GATEWAY}/32", "dev", "lo")
        _ip("-n", ROUTER, "link", "set", "lo", "up")
        _said("ip", "netns", "exec", ROUTER, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        _ip("link", "add", OUR_LINK, "type", "veth", "peer", "name", META, "netns", ROUTER)
        _plug(META, OUR_LINK, OUR_ADDRESS, [])
        _ip("route", "add", SUBNET, "via", GATEWAY)
        for name, address in self._addresses.items():
            if name != META:
                self._add_host(name, address)

    def _add_host(self, name: str, address: str) -> None:
        host = f"{PREFIX}{name}"
        _ip("netns", "add", host)
        link = ("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", host)
        _ip("-n", ROUTER, *link)
        _plug(name, "eth0", address, ["-n", host])
        _ip("-n", host, "link", "set", "lo", "up")
        _ip("-n", host, "route", "add", "default", "via", GATEWAY)
        names = OF_NAMESPACES / host / "hosts"
        names.parent.mkdir(parents=True)
        names.write_text(f"{OUR_ADDRESS} localhost\n")


def _plug(plug: str, link: str, address: str, at: Sequence[str]) -> None:
    """Both ends of one link; `at` says in whose namespace the host's end lies."""
    _ip(*at, "addr", "add", f"{address}/32", "dev", link)
    _ip(*at, "link", "set", link, "up")
    _ip(*at, "route", "add", GATEWAY, "dev", link)
    _ip("-n", ROUTER, "link", "set", plug, "up")
    _ip("-n", ROUTER, "route", "add", address, "dev", plug, "src", GATEWAY)


@contextmanager
def open_network(names: Sequence[str]) -> Iterator[Network]:
    """A host for each name; all of it is gone afterwards, and what a crash left before.

    Raises `NotPlayableError` without root, without iproute2, or while another run has it.
    """
    if os.geteuid() != 0:
        raise NotPlayableError("network namespaces need root: run it as root")
    if missing := [name for name in ("ip", "ss", "sysctl") if shutil.which(name) is None]:
        raise NotPlayableError(f"no {missing[0]} here: apt-get install iproute2 procps")
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotPlayableError("another run has the network: wait for its end") from None
        network = Network(names)
        _take_down()
        try:
            try:
                network.put_up()
            except CommandError as refused:
                raise NotPlayableError(str(refused)) from None
            yield network
        finally:
            _take_down()


def _take_down() -> None:
    """Everything of ours, whoever put it up; who still runs in our namespaces is killed."""
    listing = json.loads(_said("ip", "-j", "netns", "list") or "[]")
    for name in (one["name"] for one in listing if one["name"].startswith(PREFIX)):
        for pid in _said("ip", "netns", "pids", name).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        _ip("netns", "del", name)
    for left in OF_NAMESPACES.glob(f"{PREFIX}*"):
        shutil.rmtree(left)
    with suppress(OSError):
        OF_NAMESPACES.rmdir()
    # Its other end has gone with the router, and it with that; but not in the same moment.
    if Path("/sys/class/net", OUR_LINK).exists():
        with suppress(CommandError):
            _ip("link", "del", OUR_LINK)


def _ip(*words: str) -> None:
    _said("ip", *words)


def _said(*argv: str) -> str:
    """What a command prints; raises `CommandError` when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"`{' '.join(argv)}` failed here: {done.stderr.strip()}")
    return done.stdout
