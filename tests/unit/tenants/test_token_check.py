"""A new token is believed when Graph shows the number under it, and refused only by a verdict."""

from typing import Any

import pytest

from manyline.meta.catalogue import CATALOGUE, TENANT_TROUBLE, ErrorClass
from manyline.meta.errors import GraphError
from manyline.meta.graph import Credentials, NotSent, NumberSeen, Refused, Unknown
from manyline.tenants.models import (
    GraphUnreachableError,
    MockTokenRefusedError,
    TokenRefusedError,
)
from manyline.tenants.token_check import TokenCheck, refuse_mock_token

TOKEN = "EAAG-a-new-token"
NUMBER = "111111111111111"
SEEN = NumberSeen(NUMBER, display_phone_number="+1 555 0100")


class Graph:
    """Answers every reading of a number alike, and remembers what it was asked with."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Credentials]] = []

    async def read_number(self, *, phone_number_id: str, credentials: Credentials) -> Any:
        self.asked.append((phone_number_id, credentials))
        return self.answer


async def check(answer: Any, *, platform: str | None = None, own: str | None = None) -> Graph:
    graph = Graph(answer)
    token_check = TokenCheck(graph=graph, app_secret=platform)
    seen = await token_check.check(TOKEN, phone_number_id=NUMBER, app_secret=own)
    assert seen is answer
    return graph


async def test_the_number_is_read_under_the_new_token() -> None:
    graph = await check(SEEN)
    [(number, used)] = graph.asked
    assert (number, used.token, used.proof) == (NUMBER, TOKEN, None)


async def test_the_proof_is_made_with_the_tenants_own_secret_before_the_platforms() -> None:
    proofs = set()
    for platform, own in (("platform", None), ("platform", "own"), (None, "own")):
        [(_, used)] = (await check(SEEN, platform=platform, own=own)).asked
        proofs.add((own or platform, used.proof))
    assert len(proofs) == 2
    assert all(proof is not None for _, proof in proofs)


REFUSING = TENANT_TROUBLE | {ErrorClass.CONTENT, ErrorClass.RECIPIENT}


@pytest.mark.parametrize("code", sorted(CATALOGUE))
async def test_each_code_is_a_verdict_or_a_reason_to_come_again(code: int) -> None:
    row = CATALOGUE[code]
    error = GraphError(status=400, code=code, title="a title", details="some details")
    if row.error_class not in REFUSING:
        with pytest.raises(GraphUnreachableError, match=str(code)):
            await check(Refused(error))
        return
    with pytest.raises(TokenRefusedError) as refused:
        await check(Refused(error))
    assert refused.value.graph_code == code
    detail = refused.value.detail
    assert f"error {code}" in detail
    assert "a title; some details" in detail
    if row.error_class in TENANT_TROUBLE:
        assert row.meaning in detail
        assert row.fix in detail


async def test_an_unknown_code_is_taken_by_its_http_status() -> None:
    for status, expected in ((401, TokenRefusedError), (400, TokenRefusedError)):
        with pytest.raises(expected):
            await check(Refused(GraphError(status=status, code=999_999, title="?")))
    for status in (429, 500, 503):
        with pytest.raises(GraphUnreachableError):
            await check(Refused(GraphError(status=status, code=999_999, title="?")))


async def test_what_nobody_knows_is_said_to_be_so_and_may_be_tried_again() -> None:
    for answer in (NotSent("ClientConnectorError"), Unknown("ServerTimeoutError")):
        with pytest.raises(GraphUnreachableError, match=answer.reason) as unknown:
            await check(answer)
        assert unknown.value.retryable


async def test_a_token_that_graph_quotes_is_not_repeated() -> None:
    for code in (190, 2):
        error = GraphError(status=400, code=code, title=f"Malformed access token {TOKEN}")
        with pytest.raises((TokenRefusedError, GraphUnreachableError)) as refused:
            await check(Refused(error))
        assert TOKEN not in str(refused.value)
        assert "Malformed access token (the token)" in str(refused.value)


def test_a_simulated_token_is_refused_where_it_would_pretend() -> None:
    refuse_mock_token("mock_x", allowed=True)
    refuse_mock_token("EAAG-x", allowed=False)
    with pytest.raises(MockTokenRefusedError):
        refuse_mock_token("mock_x", allowed=False)
