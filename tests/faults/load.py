"""The load that runs throughout a row: customers who write, tenants' software that sends.

Each customer says something every `TURN_SECONDS`, on and on until the row's block has ended; the
tenant sends to them every few turns. Who is not answered 200 asks again, the same bytes. So what
the system has promised is known without asking it, in order: see `tests.e2e.proof.talk`.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence

from tests.e2e.proof.stage import Line
from tests.e2e.proof.stage import Stage as ProofStage
from tests.e2e.proof.talk import SEND_EVERY, Load, Talk

# At 1.7 messages a second to each customer, 45 at once and one more every 6 s is reached after
# half a minute only: a row's load meets no rate limit.
TURN_SECONDS = 0.7
UNBOUNDED = 10**9
LAST_TURNS = 1
"""What each customer says after the block: all works again."""
TOOK_SECONDS = 40.0
END_SECONDS = 60.0


class Conversation:
    """One customer of one line, for as long as the load runs."""

    def __init__(self, stage: ProofStage, line: Line, customer: str) -> None:
        self.talk = Talk(line, customer)
        self._load = Load(stage, [], customers=0, ahead=UNBOUNDED)
        self._load.talks = [self.talk]
        self._places = itertools.count(1)

    @property
    def taken(self) -> int:
        """Messages answered 200."""
        return self._load.taken

    @property
    def refused(self) -> int:
        """Times that the answer was 503 or none."""
        return self._load.refused

    async def turn(self) -> None:
        """Say something, and every fifth time be sent something; returns when it was taken."""
        await self._load.play([["say"]])
        if next(self._places) % SEND_EVERY == 0:
            await self._load.play([["send"]])


class Talking:
    """All conversations of a load."""

    def __init__(
        self, conversations: Sequence[Conversation], *, before_turn: Callable[[], None]
    ) -> None:
        self._conversations = conversations
        self._before_turn = before_turn
        self._over = asyncio.Event()

    @property
    def taken(self) -> int:
        """Messages answered 200 so far."""
        return sum(one.taken for one in self._conversations)

    @property
    def refused(self) -> int:
        """Times that somebody had to ask again."""
        return sum(one.refused for one in self._conversations)

    async def took(self, count: int, *, seconds: float = TOOK_SECONDS) -> None:
        """Return when so many more messages were answered 200 than are now."""
        wanted, deadline = self.taken + count, time.monotonic() + seconds
        while self.taken < wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"{wanted - self.taken} of {count} not taken in {seconds} s")
            await asyncio.sleep(0.01)

    async def run(self) -> None:
        """Until `end`, and then one turn more."""
        async with asyncio.TaskGroup() as group:
            for place, one in enumerate(self._conversations):
                group.create_task(self._converse(one, place / len(self._conversations)))

    def end(self) -> None:
        """The block is over: everybody says one last thing."""
        self._over.set()

    async def _converse(self, one: Conversation, phase: float) -> None:
        await self._pause(phase * TURN_SECONDS)
        while not self._over.is_set():
            self._before_turn()
            began = time.monotonic()
            await one.turn()
            await self._pause(began + TURN_SECONDS - time.monotonic())
        for _ in range(LAST_TURNS):
            await one.turn()

    async def _pause(self, seconds: float) -> None:
        """Cut short when the load ends."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._over.wait()
        except TimeoutError:
            pass
