"""Customers who write, and tenants' software that sends: each asks again until it is answered.

As Meta does, a webhook that is not answered 200 is posted again, the same bytes, until it is. A
customer's next message is posted only when the one before was taken, so the order in which the
system accepted them is known without asking it.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp

from tests.e2e.proof.stage import APP_SECRET, Line, Stage

WEBHOOK = "/whatsapp/webhook"
PATIENCE = aiohttp.ClientTimeout(total=8)
ASK_AGAIN_SECONDS = 0.1
IMPATIENT_SECONDS = 0.5
SEND_EVERY = 5

Turn = Literal["say", "send"]
"""The customer writes and is answered, or the tenant's software sends."""


def message(wamid: str, customer: str, **more: Any) -> dict[str, Any]:
    """A text message in Meta's shape; `more` replaces or adds members."""
    plain = {"from": customer, "id": wamid, "type": "text", "text": {"body": "hi"}}
    return {**plain, "timestamp": str(int(time.time())), **more}


def webhook(number: str, messages: Sequence[dict[str, Any]]) -> bytes:
    """One change per message, as Meta groups them, in Meta's escaping."""
    changes = [
        {
            "field": "messages",
            "value": {
                "messaging_product": "whatsapp",
                "metadata": {"display_phone_number": "15550001", "phone_number_id": number},
                "messages": [one],
            },
        }
        for one in messages
    ]
    entry = {"id": "1", "changes": changes}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def signed(body: bytes) -> dict[str, str]:
    """The headers of a webhook that Meta signed."""
    digest = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


async def deliver(stage: Stage, body: bytes) -> int:
    """Post a signed webhook once; the answer's status, or 0 for no answer."""
    url = stage.url + WEBHOOK
    try:
        async with stage.session.post(
            url, data=body, headers=signed(body), timeout=PATIENCE
        ) as answer:
            await answer.read()
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return 0


@dataclass
class Talk:
    """One customer of one tenant, and what the system has promised about them."""

    line: Line
    customer: str
    """Without `+`, as Meta writes it."""
    wamids: list[str] = field(default_factory=list)
    """Of the customer's messages that were answered 200, in that order."""
    sends: dict[str, str] = field(default_factory=dict)
    """Idempotency key to message id, of the tenant's sends that were answered 200."""
    promised: list[str] = field(default_factory=list)
    """Idempotency keys of replies and sends, in the order in which they were accepted."""

    def heard(self, wamid: str) -> None:
        """The webhook with this message was answered 200; its reply is due."""
        self.wamids.append(wamid)
        self.promised.append(f"auto-reply:{wamid}")

    def sent(self, key: str, message_id: str) -> None:
        """The send with this key was answered 200."""
        self.sends[key] = message_id
        self.promised.append(key)


class Load:
    """Many talks at once, until each has said so many messages.

    While more than `ahead` are taken and not yet POSTed they write slowly, so that both ways are
    busy until the end.
    """

    def __init__(self, stage: Stage, lines: Iterable[Line], *, customers: int, ahead: int) -> None:
        self._stage = stage
        self._ahead = ahead
        self.taken = 0
        """Webhooks and sends that were answered 200."""
        self.refused = 0
        """How often the answer was 503, or none at all."""
        numbers = itertools.count(919_000_000_001)
        self.talks = [Talk(line, str(next(numbers))) for line in lines for _ in range(customers)]

    async def run(self, *, messages: int) -> None:
        """Let every customer say so many messages, and every fifth time the tenant send one."""
        turns: list[Turn] = [
            turn
            for place in range(messages)
            for turn in (("say", "send") if place % SEND_EVERY == SEND_EVERY - 1 else ("say",))
        ]
        await self.play([turns] * len(self.talks))

    async def play(self, scripts: Sequence[Sequence[Turn]]) -> None:
        """Talk by talk as its script says, all talks at once."""
        async with asyncio.TaskGroup() as group:
            for talk, turns in zip(self.talks, scripts, strict=True):
                group.create_task(self._converse(talk, turns))

    async def _converse(self, talk: Talk, turns: Sequence[Turn]) -> None:
        for place, turn in enumerate(turns, start=len(talk.promised)):
            await self._near_enough()
            if turn == "say":
                await self._say(talk, f"wamid.{talk.customer}.{place:03}")
            else:
                await self._send(talk, f"order-{talk.customer}-{place:03}")

    async def _near_enough(self) -> None:
        """Wait for Meta to get more POSTs, but not for ever: nobody may be there to send them."""
        impatient_at = time.monotonic() + IMPATIENT_SECONDS
        while self.taken - len(self._stage.journal) >= self._ahead:
            if time.monotonic() > impatient_at:
                return
            await asyncio.sleep(0.01)

    async def _say(self, talk: Talk, wamid: str) -> None:
        body = webhook(talk.line.number, [message(wamid, talk.customer)])
        while (status := await deliver(self._stage, body)) != 200:
            await self._refused(status)
        talk.heard(wamid)
        self._took()

    async def _send(self, talk: Talk, key: str) -> None:
        while (answer := await self._ask_to_send(talk, key)) is None:
            pass
        talk.sent(key, answer)
        self._took()

    async def _ask_to_send(self, talk: Talk, key: str) -> str | None:
        url = f"{self._stage.url}/tenants/{talk.line.tenant_id}/send"
        body = {"to": f"+{talk.customer}", "text": f"news {key}", "idempotency_key": key}
        status = 0
        try:
            async with self._stage.session.post(url, json=body, timeout=PATIENCE) as answer:
                status = answer.status
                if status == 200:
                    return str((await answer.json())["messageId"])
                await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        await self._refused(status)
        return None

    async def _refused(self, status: int) -> None:
        self.refused += 1
        assert status in {0, 503}, f"answered {status}: neither taken nor worth another try"
        await asyncio.sleep(ASK_AGAIN_SECONDS)

    def _took(self) -> None:
        self.taken += 1
