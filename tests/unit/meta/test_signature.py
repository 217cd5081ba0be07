"""The webhook signature, against a vector computed elsewhere, and all the ways to lack one."""

import pytest

from manyline.meta.signature import is_signed, sign

# printf '{"entry":[]}' | openssl dgst -sha256 -hmac app-secret
BODY = b'{"entry":[]}'
HEADER = "sha256=fe6aaed5aff30b5679e782271914a2287bdd7de6bedb495c95c24ad91e5e3fdb"


def test_a_known_vector() -> None:
    assert sign(BODY, "app-secret") == HEADER
    assert is_signed(BODY, HEADER, ["app-secret"])


def test_any_live_secret_will_do() -> None:
    assert is_signed(BODY, HEADER, ["next", "app-secret"])
    assert not is_signed(BODY, HEADER, ["next", "other"])
    assert not is_signed(BODY, HEADER, [])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        HEADER.removeprefix("sha256="),
        HEADER.replace("sha256", "sha1"),
        HEADER[:-1],
        HEADER + "0",
        HEADER.replace("sha256=", "sha256=é"),
        "\ud800",
        " " + HEADER,
        HEADER + "," + HEADER,
    ],
)
def test_anything_else_is_no_signature(header: str | None) -> None:
    assert not is_signed(BODY, header, ["app-secret"])


def test_the_raw_bytes_are_what_is_signed() -> None:
    escaped, plain = b'{"a": "\\u00e9"}', '{"a": "é"}'.encode()
    assert is_signed(escaped, sign(escaped, "s"), ["s"])
    assert not is_signed(plain, sign(escaped, "s"), ["s"])
