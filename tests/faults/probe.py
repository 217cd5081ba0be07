"""One webhook and one send that ask while nobody can take them: 503 each time, and soon."""

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp

from tests.e2e.proof.talk import WEBHOOK, Talk, message, signed, webhook
from tests.faults.processes import Process
from tests.faults.stage import Stage

WITHOUT_STORE_SECONDS = 10.0
FAILOVER_SECONDS = 60.0
"""An election takes 2 s and a driver that waits for a frozen primary 10 s; twice that, and room."""
PROBE_TIMEOUT = aiohttp.ClientTimeout(total=30)


async def open_probe(stage: Stage, *, api: Process | None = None) -> "Probe":
    """On a tenant of its own; it asks that API process, or each in turn."""
    [line] = await stage.register(1)
    talks = [Talk(line, stage.new_customer()) for _ in range(2)]
    stage.talks += talks
    return Probe(writes=talks[0], is_sent_to=talks[1], api=api)


@dataclass
class Probe:
    """One webhook and one send, asked again and again while there is no store to take them."""

    writes: Talk
    is_sent_to: Talk
    api: Process | None = None
    seconds: list[float] = field(default_factory=list)
    """How long each answer took."""
    message_id: str = ""
    """Of the send that was taken."""

    async def while_away(self, stage: Stage, *, seconds: float = WITHOUT_STORE_SECONDS) -> str:
        """Both are answered as they must be, for as long as the store is away."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            for status, retry_after in await self._asked(stage):
                said = f"answered {status} with Retry-After {retry_after}"
                assert status == 503 and retry_after, f"violated: 503 meanwhile: {said}"
        asked, longest = len(self.seconds), max(self.seconds)
        return f"{asked} times answered 503, at most after {longest:.1f} s"

    async def taken_at_last(self, stage: Stage) -> None:
        """The same bytes again, until they are taken."""
        deadline = time.monotonic() + FAILOVER_SECONDS
        while any(status != 200 for status, _ in await self._asked(stage)):
            assert time.monotonic() < deadline, "violated: comes to rest: it is 503 all the time"
            await asyncio.sleep(0.1)
        self.writes.heard(self._wamid)
        self.is_sent_to.sent(self._key, self.message_id)

    def _url(self, stage: Stage) -> str:
        return stage.url_of(self.api) if self.api else stage.url

    @property
    def _wamid(self) -> str:
        return f"wamid.{self.writes.customer}.probe"

    @property
    def _key(self) -> str:
        return f"probe-{self.is_sent_to.customer}"

    async def _asked(self, stage: Stage) -> list[tuple[int, str | None]]:
        """Status and Retry-After of the webhook's answer and the send's."""
        return list(await asyncio.gather(self._say(stage), self._send(stage)))

    async def _say(self, stage: Stage) -> tuple[int, str | None]:
        body = webhook(self.writes.line.number, [message(self._wamid, self.writes.customer)])
        began = time.monotonic()
        async with stage.session.post(
            self._url(stage) + WEBHOOK, data=body, headers=signed(body), timeout=PROBE_TIMEOUT
        ) as answer:
            await answer.read()
            self.seconds.append(time.monotonic() - began)
            return answer.status, answer.headers.get("Retry-After")

    async def _send(self, stage: Stage) -> tuple[int, str | None]:
        to = self.is_sent_to
        url = f"{self._url(stage)}/tenants/{to.line.tenant_id}/send"
        text = f"news {self._key}"
        asked = {"to": f"+{to.customer}", "text": text, "idempotency_key": self._key}
        began = time.monotonic()
        async with stage.session.post(url, json=asked, timeout=PROBE_TIMEOUT) as answer:
            given = await answer.json()
            self.seconds.append(time.monotonic() - began)
            if answer.status == 200:
                self.message_id = str(given["messageId"])
            return answer.status, answer.headers.get("Retry-After")
