import msgspec
import pytest

from graphsim.identifiers import digits, new_wamid
from graphsim.inbound import InboundOrder
from graphsim.settings import Settings


def test_secrets_are_never_shown() -> None:
    settings = Settings(app_secret="hush", bad_tokens={"EAAG-secret"})
    shown = settings.shown()
    assert "hush" not in str(shown)
    assert "EAAG-secret" not in str(shown)
    assert (shown["app_secret"], shown["verify_token"], shown["bad_tokens"]) == (True, False, True)


def test_a_change_touches_only_what_it_names() -> None:
    settings = Settings(webhook_url="http://127.0.0.1:1/x", statuses_per_post=7)
    settings.change({"latency_seconds": 1, "statuses": ["read"], "bad_tokens": ["a"]})
    assert settings.latency_seconds == 1.0
    assert settings.statuses == ["read"]
    assert settings.bad_tokens == {"a"}
    assert settings.statuses_per_post == 7
    assert settings.webhook_url == "http://127.0.0.1:1/x"


@pytest.mark.parametrize(
    "change",
    [
        [],
        {"latency": 1},
        {"latency_seconds": -1},
        {"statuses": ["failed"]},
        {"statuses_per_post": 0},
        {"messages_per_second": 0},
        {"pair_seconds": 0},
        {"pair_burst": 0},
        {"window_seconds": -1},
        {"window_error": "never"},
        {"usage_percent": -1},
        {"webhook_url": "nonsense"},
        {"status_delay": 9, "webhook_url": 5},
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(change: object) -> None:
    settings = Settings()
    with pytest.raises(msgspec.ValidationError):
        settings.change(change)
    assert settings == Settings()


@pytest.mark.parametrize(
    "order",
    [
        {"from": "919", "text": "hi"},
        {"phone_number_id": "1", "from": "919"},
        {"phone_number_id": "1", "text": "hi"},
        {"phone_number_id": "1", "from": "919", "text": "hi", "id": "wamid.1", "count": 2},
        {"phone_number_id": "1", "from": "919", "text": "hi", "copies": 0},
    ],
)
def test_an_inbound_order_that_makes_no_sense_is_refused(order: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(order, InboundOrder)


def test_wamids_look_like_metas_and_never_repeat() -> None:
    made = {new_wamid("919012345678") for _ in range(1000)}
    assert len(made) == 1000
    assert all(one.startswith("wamid.HBgM") for one in made)  # 0x1c 0x18 and a length of 12


def test_digits() -> None:
    assert digits("+91 (901) 234-5678") == "919012345678"
    assert digits("919012345678") == "919012345678"
    assert digits("nobody") == ""
