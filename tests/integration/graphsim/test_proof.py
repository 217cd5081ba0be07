"""`appsecret_proof`: right, wrong, left out, and asked for."""

import hashlib
import hmac
from typing import Any

import aiohttp
import pytest

from graphsim.simulator import Simulator

from .conftest import APP_SECRET, Caller

TOKEN = "EAAG-token"
MESSAGE = {"messaging_product": "whatsapp", "to": "+919012345678", "text": {"body": "hello"}}


def proof_of(secret: str = APP_SECRET, token: str = TOKEN) -> str:
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


async def answers(caller: Caller, proof: str | None) -> list[dict[str, Any]]:
    """To a send and to a token check; both must have the same HTTP status."""
    query = {} if proof is None else {"appsecret_proof": proof}
    head = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{caller.simulator.base_url}/v26.0/111"

    async def read(response: aiohttp.ClientResponse) -> dict[str, Any]:
        body: dict[str, Any] = await response.json()
        assert response.status == (400 if "error" in body else 200)
        return body

    async with caller.session.post(
        f"{url}/messages", json=MESSAGE, headers=head, params=query
    ) as sent:
        first = await read(sent)
    async with caller.session.get(url, headers=head, params=query) as seen:
        return [first, await read(seen)]


@pytest.mark.parametrize("proof", [None, proof_of()])
async def test_a_right_one_and_none_at_all_are_let_in(caller: Caller, proof: str | None) -> None:
    assert all("error" not in answer for answer in await answers(caller, proof))


@pytest.mark.parametrize(
    "proof", [proof_of("other"), proof_of(token="other"), "", "né", proof_of().upper()]
)
async def test_a_wrong_one_is_refused_in_graphs_words(
    caller: Caller, simulator: Simulator, proof: str
) -> None:
    for answer in await answers(caller, proof):
        error = answer["error"]
        assert (error["code"], error["type"]) == (100, "GraphMethodException")
        assert error["message"] == "Invalid appsecret_proof provided in the API argument"
        assert "error_data" not in error
    [entry] = simulator.journal.entries
    assert (entry.outcome, entry.code) == ("error", 100)


async def test_it_can_be_demanded(caller: Caller) -> None:
    await caller.control("POST", "/settings", {"require_proof": True})
    for answer in await answers(caller, None):
        assert answer["error"]["code"] == 100
        assert "require an appsecret_proof" in answer["error"]["message"]
    assert all("error" not in answer for answer in await answers(caller, proof_of()))


async def test_without_an_app_secret_any_will_do(caller: Caller) -> None:
    await caller.control("POST", "/settings", {"app_secret": None, "require_proof": True})
    assert all("error" not in answer for answer in await answers(caller, "anything"))


async def test_a_bad_token_is_told_before_a_bad_proof(caller: Caller) -> None:
    await caller.control("POST", "/settings", {"bad_tokens": [TOKEN]})
    head = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{caller.simulator.base_url}/v26.0/111"
    query = {"appsecret_proof": "wrong"}
    async with caller.session.get(url, headers=head, params=query) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (401, 190)
