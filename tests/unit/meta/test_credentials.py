"""What a call carries: the token, and the proof as Meta computes it; neither in any `repr`."""

from manyline.meta.graph import Credentials, credentials


def test_the_proof_is_hmac_sha256_of_the_token_under_the_app_secret() -> None:
    """Values from RFC 4231, test case 2."""
    made = credentials("what do ya want for nothing?", "Jefe")
    assert made.proof == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert made.token == "what do ya want for nothing?"


def test_without_an_app_secret_there_is_no_proof() -> None:
    assert credentials("EAAG", None) == credentials("EAAG", "") == Credentials("EAAG", None)


def test_neither_is_shown() -> None:
    made = credentials("EAAG-token", "app-secret")
    assert made.proof is not None
    for secret in ("EAAG-token", "app-secret", made.proof):
        assert secret not in repr(made)
        assert secret not in str(made)
