"""Plays a schedule: the load, and beside it what goes wrong with it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from graphsim.fault_rules import read_rules
from tests.e2e.proof.crew import Crew
from tests.e2e.proof.oracle import Evidence
from tests.e2e.proof.schedule import Act, Refusal, Schedule, WorkerKill
from tests.e2e.proof.stage import Kill, Stage
from tests.e2e.proof.store import Stored
from tests.e2e.proof.talk import Load
from tests.e2e.proof.truth import Case, Disturbance, Told

BETWEEN_EVENTS_SECONDS = 0.3
PLAY_SECONDS = 90.0


@dataclass
class Play:
    """One run of a schedule, and what it has done so far."""

    schedule: Schedule
    stage: Stage
    crew: Crew
    load: Load
    kills: list[Kill] = field(default_factory=list)
    refused_from: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Return when everything was taken and every act was played."""
        async with asyncio.timeout(PLAY_SECONDS), asyncio.TaskGroup() as group:
            acts = group.create_task(self._acts())
            group.create_task(self.load.play(self.schedule.scripts))
            await acts

    async def _acts(self) -> None:
        for act in self.schedule.acts:
            while self.load.taken < act.after:
                await asyncio.sleep(0.005)
            await self._act(act)

    async def _act(self, act: Act) -> None:
        self.stage.simulator.faults.add(*read_rules([dict(rule) for rule in act.rules]))
        for event in act.events:
            match event:
                case WorkerKill(place=place):
                    await self.crew.filled(self.crew.places[place])
                    await self._while_busy()
                    self.kills.append(self.crew.kill(self.crew.places[place]))
                case Refusal(seconds=seconds):
                    await self._while_busy()
                    self.refused_from.append(time.time())
                    await self.stage.simulator.refuse(seconds)

    async def _while_busy(self) -> None:
        """Return when some POST is under way, or soon: a kill should cost something."""
        deadline = time.monotonic() + BETWEEN_EVENTS_SECONDS
        while not self.stage.unanswered() and time.monotonic() < deadline:
            await asyncio.sleep(0.001)

    def disturbance(self) -> Disturbance:
        """All of it, as the judge needs it."""
        unread = sum(
            rule["struck"]
            for rule in self.stage.simulator.faults.listing()
            if rule["fault"].get("point") == "before_read"
        )
        return Disturbance(tuple(self.kills), unread, tuple(self.refused_from))

    def cases(self, stored: Sequence[Stored]) -> list[Case]:
        """Every outgoing message with Meta's side of it."""
        evidence = Evidence(self.load.talks, stored, self.stage.journal)
        posts_of = evidence.posts_of()
        place_of = {f"+{talk.customer}": place for place, talk in enumerate(self.load.talks)}
        return [
            Case(
                one,
                posts_of.get(one.id, []),
                self._statuses(place_of[one.recipient or ""]),
                self.schedule.undone.get(place_of[one.recipient or ""]),
            )
            for one in evidence.outgoing
        ]

    def _statuses(self, place: int) -> Told:
        if place in self.schedule.unheard:
            return Told.NONE
        return Told.FAILED if place in self.schedule.undone else Told.ALL
