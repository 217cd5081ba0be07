"""A row: one named fault, in words and as a coroutine that does it to a stage.

    @row(
        done="FLUSHALL under load, three times",
        holds="nothing lost, nothing doubled, no doubt: the relay rebuilds the queue",
    )
    async def flushed(stage: Stage) -> str | None:
        async with stage.load() as load:
            await load.took(40)
            ...
        return "what was seen besides, or None"

The row's name is the function's, with dashes. When the coroutine has returned, the runner waits
for rest and holds every invariant against what is stored (`verdict`): a row need not ask for it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.stage import Role, Stage

Play = Callable[[Stage], Awaitable[str | None]]


class NotPlayableError(Exception):
    """The row cannot be played on this machine; the reason, and what to do about it."""


@dataclass(frozen=True)
class Row:
    """What is done, what must hold, and on what stage."""

    name: str
    family: str
    """The module's name, with spaces: the heading that the row stands under."""
    done: str
    holds: str
    play: Play
    short: bool = False
    """Whether it is one of those that CI plays."""
    by_hand: bool = False
    """It needs privileges or half an hour: it is played only when named, or with `--by-hand`."""
    play_seconds: float = 180.0
    """How long it may take, with its stage and its verdict."""
    doubts: bool = False
    """Whether messages may end in doubt, each for a cause that the journal or a kill shows."""
    apis: int = 2
    workers: int = 2
    nodes: int = 1
    """Of the replica set."""
    armed: Sequence[Role] = ()
    """Roles whose processes can be given a fuse, see `Stage.arm`."""
    network: bool = False
    """Whether each process runs on a host of its own, see `network.Network`; needs root."""
    disks: Mapping[str, int] = field(default_factory=dict)
    """Directories of the stage's that are file systems of their own, and of how many MB: `mongo-1`
    is where `mongod-1` keeps its data, `valkey` where Valkey does; needs root."""
    change: Mapping[Role, str] = field(default_factory=dict)
    """Of `changes`, by role: a fault that has to be made inside the process."""
    simulated: Mapping[str, Any] = field(default_factory=dict)
    """Knobs of the simulator, see `graphsim.settings`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings of api and worker besides the usual ones of a stage."""


def row(*, done: str, holds: str, **options: Any) -> Callable[[Play], Row]:
    """Make a coroutine a row; the options are those of `Row`."""

    def made(play: Play) -> Row:
        name = str(getattr(play, "__name__", ""))
        family = str(play.__module__).rpartition(".")[2]
        return Row(name.replace("_", "-"), family.replace("_", " "), done, holds, play, **options)

    return made
