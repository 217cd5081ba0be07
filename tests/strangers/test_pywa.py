"""pywa, a client for the Cloud API that others wrote, takes our simulator for Meta.

Both ways: what it sends is accepted, and what the simulator delivers it verifies and understands.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from aiohttp import web
from pywa_async import WhatsApp
from pywa_async.errors import (
    ExpiredAccessToken,
    RateLimitHit,
    ReEngagementMessage,
    TooManyMessages,
    WhatsAppError,
)
from pywa_async.types import Button, Message, MessageStatus, RawUpdate

from graphsim.identifiers import user_id_of
from graphsim.settings import Settings
from graphsim.simulator import Simulator

APP_SECRET = "an-app-secret"
NUMBER = "111111111111111"
CUSTOMER = "919012345678"
DEADLINE = 10.0


@dataclass
class Bot:
    """A program built on pywa: its client, and what it heard."""

    client: WhatsApp
    messages: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    statuses: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    understood: asyncio.Queue[MessageStatus] = field(default_factory=asyncio.Queue)
    """The same statuses, as its own objects."""
    refused: int = 0

    async def webhook(self, request: web.Request) -> web.Response:
        raw = await request.read()
        wrong = await self.client.webhook_update_validator(
            raw, request.headers.get("X-Hub-Signature-256")
        )
        if wrong:
            self.refused += 1
        text, status = wrong or await self.client.webhook_update_handler(raw)
        return web.Response(text=text, status=status)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    settings = Settings(app_secret=APP_SECRET, status_delay=0.002)
    async with Simulator(settings) as running:
        yield running


@pytest.fixture
async def bot(simulator: Simulator) -> AsyncIterator[Bot]:
    """Its webhook is where the simulator delivers."""
    async with httpx.AsyncClient() as session:
        client = WhatsApp(
            phone_id=NUMBER, token="EAAG-token", session=session, server=None, app_secret=APP_SECRET
        )
        # Its constructor points the session at Meta.
        session.base_url = f"{simulator.base_url}/v26.0"
        bot = Bot(client)

        @client.on_message
        async def heard(_client: WhatsApp, message: Message) -> None:
            bot.messages.put_nowait(message)

        @client.on_message_status
        async def became(_client: WhatsApp, status: MessageStatus) -> None:
            bot.understood.put_nowait(status)

        @client.on_raw_update
        async def came(_client: WhatsApp, update: RawUpdate) -> None:
            for status in update["entry"][0]["changes"][0]["value"].get("statuses", []):
                bot.statuses.put_nowait(status)

        app = web.Application()
        app.router.add_post("/", bot.webhook)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        simulator.settings.webhook_url = f"http://127.0.0.1:{site.port}/"
        yield bot
        await runner.cleanup()


async def test_it_sends_a_text_and_hears_what_became_of_it(bot: Bot, simulator: Simulator) -> None:
    sent = await bot.client.send_message(to=f"+{CUSTOMER}", text="hello", tracker="our-own-id")

    [post] = simulator.journal.entries
    assert (post.wamid, post.to, post.body) == (sent.id, f"+{CUSTOMER}", "hello")
    assert (post.outcome, post.biz_opaque_callback_data) == ("accepted", "our-own-id")
    async with asyncio.timeout(DEADLINE):
        heard = [await bot.statuses.get() for _ in range(3)]
    assert [status["status"] for status in heard] == ["sent", "delivered", "read"]
    assert {status["id"] for status in heard} == {sent.id}
    assert {status["biz_opaque_callback_data"] for status in heard} == {"our-own-id"}
    assert bot.refused == 0


async def test_it_understands_who_a_status_is_about_and_what_was_priced(
    bot: Bot, simulator: Simulator
) -> None:
    sent = await bot.client.send_message(to=CUSTOMER, text="hello")
    async with asyncio.timeout(DEADLINE):
        heard = [await bot.understood.get() for _ in range(3)]
    assert [status.status.value for status in heard] == ["sent", "delivered", "read"]
    assert {status.id for status in heard} == {sent.id}
    known_by = (CUSTOMER, user_id_of(NUMBER, CUSTOMER))
    assert {(status.from_user.wa_id, status.from_user.bsuid) for status in heard} == {known_by}
    assert [status.pricing is not None for status in heard] == [True, True, False]
    await eventually_quiet(simulator)
    assert (bot.refused, simulator.webhooks.failed_attempts) == (0, 0)


async def eventually_quiet(simulator: Simulator) -> None:
    """Wait until every webhook was answered 200."""
    async with asyncio.timeout(DEADLINE):
        while simulator.webhooks.pending:
            await asyncio.sleep(0.005)


async def test_it_understands_a_customer_of_whom_only_the_number_is_given(
    bot: Bot, simulator: Simulator
) -> None:
    order = {"phone_number_id": NUMBER, "from": CUSTOMER, "text": "hi", "wait": True}
    played = await simulator.inbound(order)
    assert played["answers"] == [[200]]
    async with asyncio.timeout(DEADLINE):
        message = await bot.messages.get()
    known_by = (message.from_user.wa_id, message.from_user.bsuid)
    assert (message.text, known_by) == ("hi", (CUSTOMER, user_id_of(NUMBER, CUSTOMER)))


async def test_what_it_sends_besides_text_is_taken_too(bot: Bot, simulator: Simulator) -> None:
    await bot.client.send_message(
        to=CUSTOMER, text="which?", buttons=[Button("Red", "red"), Button("Blue", "blue")]
    )
    await bot.client.send_location(to=CUSTOMER, latitude=23.8, longitude=90.4, name="Dhaka")
    await bot.client.send_reaction(to=CUSTOMER, message_id="wamid.1", emoji="👍")
    assert [post.type for post in simulator.journal.entries] == [
        "interactive",
        "location",
        "reaction",
    ]


async def test_it_understands_a_customer_played_by_the_simulator(
    bot: Bot, simulator: Simulator
) -> None:
    text = "hi/হাই 👋"
    content = {"type": "text", "text": {"body": text}}
    who = {"from": CUSTOMER, "from_user_id": "IN.1234567890"}
    order = {"phone_number_id": NUMBER, "name": "Ann", "message": who | content, "wait": True}
    played = await simulator.inbound(order)
    async with asyncio.timeout(DEADLINE):
        message = await bot.messages.get()
    assert (message.text, [message.id]) == (text, played["wamids"])
    user = message.from_user
    assert (user.wa_id, user.bsuid, user.name) == (CUSTOMER, "IN.1234567890", "Ann")
    assert played["answers"] == [[200]]

    await message.reply_text("thanks")
    [post] = simulator.journal.entries
    assert (post.body, post.outcome) == ("thanks", "accepted")


async def test_it_refuses_what_the_simulator_signed_with_another_secret(
    bot: Bot, simulator: Simulator
) -> None:
    simulator.settings.app_secret = "another-secret"
    order = {"phone_number_id": NUMBER, "from": CUSTOMER, "text": "hi", "wait": True}
    played = await simulator.inbound(order)
    assert played["answers"] != [[200]]
    assert (bot.refused, bot.messages.qsize()) == (1, 0)


async def test_an_error_of_the_simulator_is_one_of_metas(bot: Bot, simulator: Simulator) -> None:
    simulator.settings.bad_tokens = {"EAAG-token"}
    with pytest.raises(WhatsAppError) as refused:
        await bot.client.send_message(to=CUSTOMER, text="hello")
    assert (refused.value.code, type(refused.value)) == (190, ExpiredAccessToken)
    assert refused.value.fbtrace_id


@pytest.mark.parametrize(
    ("knobs", "code", "kind"),
    [
        ({"messages_per_second": 1}, 130429, RateLimitHit),
        ({"pair_seconds": 6, "pair_burst": 1}, 131056, TooManyMessages),
        ({"window_seconds": 86_400}, 131047, ReEngagementMessage),
    ],
)
async def test_it_knows_the_limits_that_it_runs_into(
    bot: Bot, simulator: Simulator, knobs: dict[str, Any], code: int, kind: type[WhatsAppError]
) -> None:
    simulator.settings.change(knobs)
    with pytest.raises(WhatsAppError) as refused:
        for _ in range(2):
            await bot.client.send_message(to=CUSTOMER, text="hello")
    assert (refused.value.code, type(refused.value)) == (code, kind)
    assert refused.value.details
