"""Phone numbers and user ids: one person has one spelling."""

import pytest

from manyline.meta import phone


@pytest.mark.parametrize("text", ["919111111111", "+919111111111", 919111111111])
def test_webhooks_numbers_get_one_spelling(text: object) -> None:
    assert phone.from_webhook(text) == "+919111111111"


@pytest.mark.parametrize(
    "value",
    [None, True, -919111111111, 12345, 10**15, 10**4000, "", "+", "++919111111111",
     "abc", "12345", "0123456789", "1" * 16, "+91 9111111111",
     "٩١٩١١١١١١١١١", "919111111111\n", ["919111111111"]],
)  # fmt: skip
def test_what_is_no_number_of_a_webhook(value: object) -> None:
    assert phone.from_webhook(value) is None


@pytest.mark.parametrize(
    "text",
    ["+919012345678", "919012345678", "+91 90123 45678", "+91 (90123) 45-678", "+91.9012.345678"],
)
def test_what_people_write_becomes_e164(text: str) -> None:
    assert phone.from_caller(text) == "+919012345678"


@pytest.mark.parametrize(
    "text",
    ["", "+", "hello", "+91901234567x", "+1", "+999999999999999", "+00919012345678", "+91901",
     "++919012345678", "+٩١٩٠١٢٣٤٥٦٧٨", "\ud800"],
)  # fmt: skip
def test_a_number_that_cannot_be_one_is_refused(text: str) -> None:
    assert phone.from_caller(text) is None


def test_user_ids() -> None:
    assert phone.user_id("US.13491208655302741918") == "US.13491208655302741918"
    assert phone.user_id("US.ENT.1349") == "US.ENT.1349"
    for bad in (None, 5, "", "US", "us.1", "US.", "USA.1", "US.é", "US.1\n", "US." + "1" * 129):
        assert phone.user_id(bad) is None
