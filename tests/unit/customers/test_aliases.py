"""Numbers with two forms: either leads to the other, and nobody else's number to theirs."""

import re

from hypothesis import given
from hypothesis import strategies as st

from manyline.customers.aliases import all_forms, other_form

DIGITS = st.text("0123456789", min_size=6, max_size=15)
NUMBERS = st.one_of(
    DIGITS,
    st.tuples(st.sampled_from(["55", "52", "521", "5511", "55119", "54"]), DIGITS).map("".join),
)


def test_the_forms_that_meta_mixes_up() -> None:
    assert other_form("tel:+5511987654321") == "tel:+551187654321"
    assert other_form("tel:+551187654321") == "tel:+5511987654321"
    assert other_form("tel:+5215512345678") == "tel:+525512345678"
    assert other_form("tel:+525512345678") == "tel:+5215512345678"
    assert all_forms("tel:+525512345678") == ("tel:+525512345678", "tel:+5215512345678")


def test_numbers_that_have_no_other_form() -> None:
    for number in (
        "+551132345678",  # a landline in São Paulo
        "+5511932345678",  # without its 9 it would be that landline
        "+5510987654321",  # no area code has a 0
        "+55118765432",  # a digit short
        "+551198765432100",
        "+52155123456789",
        "+521551234567",
        "+919111111111",
        "+15551234567",
    ):
        assert other_form(f"tel:{number}") is None, number
    assert other_form("bsuid:BR.5511987654321") is None
    assert other_form("nobody:5511987654321") is None


@given(NUMBERS)
def test_two_forms_are_each_others_and_no_third_one_is(digits: str) -> None:
    identity = f"tel:+{digits}"
    other = other_form(identity)
    if other is None:
        return
    assert other != identity
    assert other_form(other) == identity
    assert set(all_forms(identity)) == set(all_forms(other))


@given(NUMBERS)
def test_only_brazil_and_mexico_and_the_subscribers_digits_stay(digits: str) -> None:
    other = other_form(f"tel:+{digits}")
    if digits[:2] not in ("55", "52"):
        assert other is None
    elif other is not None:
        # The area and the last eight digits, or the last ten.
        kept = 8 if digits.startswith("55") else 10
        assert other[-kept:] == digits[-kept:]
        assert other.startswith(f"tel:+{digits[:2]}")
        assert re.fullmatch(r"tel:\+\d{12,13}", other)
        assert abs(len(other) - len(f"tel:+{digits}")) == 1
