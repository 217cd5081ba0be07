"""Which identity a person has."""

import pytest

from manyline.customers.models import identity_of


def test_a_number_comes_before_a_user_id() -> None:
    assert identity_of(phone="+919111111111", user_id="IN.123") == "tel:+919111111111"
    assert identity_of(phone=None, user_id="IN.123") == "bsuid:IN.123"
    with pytest.raises(ValueError, match="a phone number or a user id"):
        identity_of(phone=None, user_id=None)
