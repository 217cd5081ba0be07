"""What account events mean for a tenant."""

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from manyline.accounts.models import NewAccountEvent
from manyline.accounts.reading import facts, standing

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def event(field: str, word: str | None = None, **content: Any) -> NewAccountEvent:
    return NewAccountEvent(
        tenant_id=ObjectId(),
        field=field,
        kind="account",
        event=word,
        at=AT,
        told_at=AT,
        waba_id="1",
        display_phone_number=None,
        content=RawBSONDocument(bson.encode(content)),
    )


def update(word: str, **content: Any) -> NewAccountEvent:
    return event("account_update", word, event=word, **content)


def ban(state: object) -> dict[str, Any]:
    return {"ban_info": {"waba_ban_state": state}}


@pytest.mark.parametrize(
    "told",
    [
        update("DISABLED_UPDATE", **ban("DISABLE")),
        update("DISABLED_UPDATE"),
        update("DISABLED_UPDATE", ban_info="odd"),
        update("ACCOUNT_DELETED"),
        update("PARTNER_REMOVED"),
        update(
            "ACCOUNT_RESTRICTION",
            restriction_info=[{"restriction_type": "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"}],
        ),
        update("ACCOUNT_RESTRICTION"),
        event("account_review_update", "REJECTED"),
    ],
)
def test_what_keeps_messages_from_being_sent(told: NewAccountEvent) -> None:
    stands = standing(told)
    assert stands is not None
    assert not stands.good
    assert stands.at == AT
    assert told.event is not None
    assert told.event in str(stands.reason)


@pytest.mark.parametrize(
    "told",
    [
        update("DISABLED_UPDATE", **ban("REINSTATE")),
        update("PARTNER_ADDED"),
        event("account_review_update", "APPROVED"),
    ],
)
def test_what_lets_them_go_on(told: NewAccountEvent) -> None:
    stands = standing(told)
    assert stands is not None
    assert stands.good


@pytest.mark.parametrize(
    "told",
    [
        update("DISABLED_UPDATE", **ban("SCHEDULE_FOR_DISABLE")),
        update("ACCOUNT_VIOLATION", violation_info={"violation_type": "ADULT"}),
        update(
            "ACCOUNT_RESTRICTION",
            restriction_info=[{"restriction_type": "RESTRICTED_ADD_PHONE_NUMBER_ACTION"}, 7],
        ),
        update("SOMETHING_NEW"),
        event("account_review_update", "PENDING"),
        event("security", "PIN_CHANGED"),
    ],
)
def test_what_says_nothing_of_that(told: NewAccountEvent) -> None:
    assert standing(told) is None


def test_facts() -> None:
    def told(field: str, **content: Any) -> dict[str, str]:
        return {fact.name: fact.value for fact in facts(event(field, **content))}

    quality = told("phone_number_quality_update", event="DOWNGRADE", current_limit="TIER_250")
    assert quality == {"qualityEvent": "DOWNGRADE", "messagingLimit": "TIER_250"}
    capability = "business_capability_update"
    assert told(capability, max_daily_conversation_per_phone=1000) == {
        "messagingLimit": "1000 a day"
    }
    assert told(capability, max_daily_conversation_per_phone=-1) == {
        "messagingLimit": "TIER_UNLIMITED"
    }
    assert told(capability, max_daily_conversations_per_business=True) == {}
    name = "phone_number_name_update"
    assert told(name, decision="REJECTED", requested_verified_name="A") == {}
    assert told(name, decision="APPROVED", requested_verified_name="A") == {"verifiedName": "A"}
    assert told("security", event="PIN_CHANGED") == {}
