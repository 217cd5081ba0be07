"""What the ledger writes of a webhook, and who may be reached by it later."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from manyline.inbound.addressed import Addressed
from manyline.inbound.ledger.models import LETTERS, MEANT, Arrival, letters
from manyline.inbound.ledger.packing import pack, parts, unpack
from manyline.inbound.models import Became, Committed
from manyline.inbound.voices import Voice, heard, voice_of

ONE, TWO = ObjectId(), ObjectId()
AT = datetime(2026, 11, 20, 12, 0, 0, 123_000, tzinfo=UTC)


class Somebody:
    """Of a tenant, what a voice looks at."""

    def __init__(self, tenant_id: ObjectId, app_secret: object = None) -> None:
        self.id = tenant_id
        self.app_secret = app_secret


def found(by_number: Any = (), by_waba: Any = ()) -> Addressed:
    return Addressed((), dict(by_number), dict(by_waba))


def arrival(body: bytes = b"{}", outcomes: str = "s") -> Arrival:
    return Arrival(AT, body, outcomes, Voice(True, (ONE, TWO)))


def test_what_is_packed_comes_back() -> None:
    arrivals = [arrival(b"\xff\x00 no text", "sdrpnq-"), arrival(b"", ""), arrival(b"x" * 100_000)]
    assert unpack(pack(arrivals)) == arrivals
    assert len(pack(arrivals)) < 1000


def test_many_are_cut_into_documents() -> None:
    sizes = [10, 10, 10, 35, 5, 20, 10]
    cut = parts([arrival(b"x" * size) for size in sizes], 30)
    assert [[len(one.body) for one in part] for part in cut] == [[10, 10, 10], [35], [5, 20], [10]]
    assert list(parts([], 30)) == []


def test_every_outcome_has_a_letter_of_its_own() -> None:
    assert LETTERS.keys() == set(Became)
    assert len(MEANT) == len(LETTERS)


def test_letters_stand_in_the_place_of_their_items() -> None:
    stored, raised = Committed(Became.STORED), Committed(Became.RAISED)
    assert letters([stored], [0], 1) == "s"
    assert letters([stored, raised], [0, 3], 5) == "s--r-"
    # News of an account for two tenants is one item.
    assert letters([stored, stored, raised], [0, 0, 1], 2) == "sr"
    assert letters([], [], 2) == "--"
    assert letters([], [], 0) == ""


@pytest.mark.parametrize(
    ("who", "platform"),
    [
        (found(), True),
        (found({"1": Somebody(ONE)}), True),
        (found({"1": Somebody(ONE, "own")}), False),
        (found({}, {"w": [Somebody(ONE, "own")]}), False),
        (found({"1": Somebody(ONE, "own")}, {"w": [Somebody(TWO)]}), True),
    ],
)
def test_who_signed_is_told_by_whom_it_was_let_in_for(who: Addressed, platform: bool) -> None:
    voice = voice_of(who)
    assert voice.platform is platform
    named = [*who.by_number.values(), *(one for some in who.by_waba.values() for one in some)]
    assert voice.tenants == tuple(one.id for one in named)


def test_later_it_reaches_nobody_whom_it_could_not_have_reached() -> None:
    three = ObjectId()
    now: Any = found(
        {"1": Somebody(ONE, "since"), "2": Somebody(TWO), "3": Somebody(three, "own")},
        {"w": [Somebody(TWO), Somebody(three, "own")]},
    )

    def reached(voice: Voice) -> tuple[set[str], list[ObjectId]]:
        left = heard(now, voice)
        return set(left.by_number), [tenant.id for tenant in left.by_waba["w"]]

    assert reached(Voice(platform=True, tenants=(ONE,))) == ({"1", "2"}, [TWO])
    assert reached(Voice(platform=False, tenants=(ONE,))) == ({"1"}, [])
    assert reached(Voice(platform=False, tenants=(three,))) == ({"3"}, [three])
