"""Paths of the API from what a person typed."""

import pytest

from manyline.entry.cli.options import NotAnIdError, path


@pytest.mark.parametrize(
    ("segments", "made"),
    [
        (("tenants", "65a1"), "/tenants/65a1"),
        (("tenants", "a?b=c#d"), "/tenants/a%3Fb%3Dc%23d"),
        (("tenants", "a b\r\n", "messages"), "/tenants/a%20b%0D%0A/messages"),
        (("tenants", "%2e%2e", "é"), "/tenants/%252e%252e/%C3%A9"),
    ],
)
def test_an_id_is_one_segment(segments: tuple[str, ...], made: str) -> None:
    assert path(*segments) == made


def test_what_servers_would_take_for_two_segments_is_refused() -> None:
    with pytest.raises(NotAnIdError, match="no slash"):
        path("tenants", "65a1/messages")
