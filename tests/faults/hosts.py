"""Where a stage's processes run: on loopback, all of them; `network.Network` gives each a host."""

from collections.abc import Sequence

from manyline.infra.embedded.ports import LOOPBACK

META = "meta"
"""The runner's own place: the simulator, and all who call the system."""


class Hosts:
    """Everything on this machine, on loopback."""

    def address(self, name: str) -> str:
        """The IP address of the process of that name."""
        return LOOPBACK

    def command(self, name: str, argv: Sequence[str]) -> list[str]:
        """How the process of that name is started there; it is the process started itself."""
        return list(argv)

    def graph_url(self, base_url: str) -> str:
        """Where processes find the simulator that listens there."""
        return base_url

    @property
    def open_bind(self) -> bool:
        """Whether servers listen on other addresses than loopback's."""
        return False
