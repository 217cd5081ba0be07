"""The webhook signature, against a vector computed elsewhere, and all the ways to lack one."""

import pytest

from manyline.meta.signature import is_well_formed, sign, signer_of

# printf '{"entry":[]}' | openssl dgst -sha256 -hmac app-secret
BODY = b'{"entry":[]}'
HEADER = "sha256=fe6aaed5aff30b5679e782271914a2287bdd7de6bedb495c95c24ad91e5e3fdb"


def test_a_known_vector() -> None:
    assert sign(BODY, "app-secret") == HEADER
    assert signer_of(BODY, HEADER, ["app-secret"]) == "app-secret"
    assert is_well_formed(HEADER)


def test_any_live_secret_will_do() -> None:
    assert signer_of(BODY, HEADER, ["next", "app-secret"]) == "app-secret"
    assert signer_of(BODY, HEADER, ["next", "other"]) is None
    assert signer_of(BODY, HEADER, []) is None


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
        HEADER + "\n",
        HEADER.upper(),
        HEADER[:-1] + "٣",
        HEADER * 1_000,
    ],
)
def test_anything_else_is_no_signature(header: str | None) -> None:
    assert signer_of(BODY, header, ["app-secret"]) is None
    assert not is_well_formed(header)


def test_the_raw_bytes_are_what_is_signed() -> None:
    escaped, plain = b'{"a": "\\u00e9"}', '{"a": "é"}'.encode()
    assert signer_of(escaped, sign(escaped, "s"), ["s"]) == "s"
    assert signer_of(plain, sign(escaped, "s"), ["s"]) is None
