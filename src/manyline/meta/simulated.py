"""Sends that never leave: tokens that begin with `mock_`, for trying the product out."""

import secrets

from manyline.meta.graph import Accepted

MOCK_PREFIX = "mock_"


def is_mock_token(token: str) -> bool:
    """Whether messages under this token are simulated, without a call to Graph."""
    return token.startswith(MOCK_PREFIX)


def simulated_answer() -> Accepted:
    """What Graph would have said, with a made-up wamid that says so."""
    return Accepted(wamid=f"wamid.mock.{secrets.token_hex(16)}")
