"""Plays the acts of a day on a stage, each at its time, and keeps the books of what was promised.

What one customer is told or tells goes one after the other, so the order in which the system
accepted it is known without asking; customers do not wait for each other.
"""

import asyncio
import time
from collections.abc import Sequence

import aiohttp

from tests.e2e.proof.stage import Line
from tests.e2e.proof.talk import (
    ASK_AGAIN_SECONDS,
    PATIENCE,
    WEBHOOK,
    Talk,
    deliver,
    message,
    webhook,
)
from tests.faults.daylight import Act, content
from tests.faults.stage import Stage

TAKEN = 200
NOT_NOW = frozenset({0, 503})
"""No answer, or one that asks to come again."""


class Person:
    """A customer with a line of their own to their tenant."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.turn = asyncio.Lock()
        self.said = 0


class DayPlay:
    """One day, played once."""

    def __init__(self, stage: Stage, lines: Sequence[Line]) -> None:
        self._stage = stage
        self._lines = lines
        self._people: dict[int, Person] = {}
        self.messages = 0
        """Of customers that were answered 200, copies not counted."""
        self.sends = 0
        """Of tenants that were answered 200, copies not counted."""
        self.copies = 0
        """Webhooks and sends that came once more."""
        self.unanswered = 0
        """Times that there was no answer at all, as when an idle connection was just closed."""
        self.webhook_seconds: list[float] = []
        """Of each webhook of a customer's message, also the copies: until its answer was here."""
        self.latest = 0.0
        """Seconds that an act began after its time at most: how well this load kept up."""

    @property
    def people(self) -> int:
        """Who has written or was written to."""
        return len(self._people)

    async def play(self, acts: Sequence[Act]) -> None:
        """All of them; returns when each has been answered."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for act in acts:
                early = began + act.at - time.monotonic()
                if early > 0:
                    await asyncio.sleep(early)
                self.latest = max(self.latest, -early)
                group.create_task(self._do(act))

    async def _do(self, act: Act) -> None:
        # Meta's own deliveries go to every API process in turn, as everybody's do.
        self._stage.simulator.settings.webhook_url = self._stage.url + WEBHOOK
        person = self._person(act)
        async with person.turn:
            person.said += 1
            if act.kind:
                await self._say(person, act)
            else:
                await self._send(person, act)

    def _person(self, act: Act) -> Person:
        if act.customer not in self._people:
            talk = Talk(self._lines[act.tenant], self._stage.new_customer())
            self._stage.talks.append(talk)
            self._people[act.customer] = Person(talk)
        return self._people[act.customer]

    # What a customer says

    async def _say(self, person: Person, act: Act) -> None:
        talk = person.talk
        kind = act.kind if talk.wamids else "text"
        wamid = f"wamid.{talk.customer}.{person.said:04}"
        one = message(wamid, talk.customer) | content(kind, talk.wamids[-1] if talk.wamids else "")
        if kind != "text":
            del one["text"]
        body = webhook(talk.line.number, [one])
        if act.copies == "at once":
            await asyncio.gather(self._taken(body), self._taken(body))
        else:
            await self._taken(body)
        if kind == "reaction":
            talk.wamids.append(wamid)  # news about a message: nobody expects an answer
        else:
            talk.heard(wamid)
        self.messages += 1
        if act.copies == "again":
            await self._taken(body)
        self.copies += act.copies != "one"

    async def _taken(self, body: bytes) -> None:
        """Post it until it is answered 200, as Meta does."""
        while True:
            began = time.monotonic()
            status = await deliver(self._stage.as_proof, body)
            self.webhook_seconds.append(time.monotonic() - began)
            if status == TAKEN:
                return
            await self._refused(status)

    # What a tenant's software sends

    async def _send(self, person: Person, act: Act) -> None:
        talk = person.talk
        key = f"order-{talk.customer}-{person.said:04}"
        message_id = await self._accepted(talk, key)
        talk.sent(key, message_id)
        self.sends += 1
        if act.copies == "again":
            repeated = await self._accepted(talk, key)
            assert repeated == message_id, f"violated: {key} is {message_id} and {repeated}"
            self.copies += 1

    async def _accepted(self, talk: Talk, key: str) -> str:
        """Ask until it is answered 200; the message's id."""
        url = f"/tenants/{talk.line.tenant_id}/send"
        body = {"to": f"+{talk.customer}", "text": f"news {key}", "idempotency_key": key}
        session, status = self._stage.session, 0
        while True:
            try:
                async with session.post(self._stage.url + url, json=body, timeout=PATIENCE) as got:
                    status = got.status
                    if status == TAKEN:
                        return str((await got.json())["messageId"])
                    await got.read()
            except (aiohttp.ClientError, TimeoutError, OSError):
                status = 0
            await self._refused(status)

    async def _refused(self, status: int) -> None:
        self._stage.refused += 1
        self.unanswered += status == 0
        assert status in NOT_NOW, f"answered {status}: neither taken nor worth another try"
        await asyncio.sleep(ASK_AGAIN_SECONDS)
