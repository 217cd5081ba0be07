"""Key-encryption keys: what wraps each tenant's data key.

`Keyring` is the small interface behind which a cloud KMS fits; `LocalKeyring` is the one that
keeps its keys in `MASTER_KEY`. Several keys may live at once: the first wraps, all unwrap, so
a rotation is "put the new key in front, rewrap at leisure, take the old one away".
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from manyline.base.errors import ManylineError

NONCE_BYTES = 12  # What AES-GCM is specified for; random, since a key seals few things.


class VaultError(ManylineError):
    """A secret cannot be opened; an operator must look at the keys."""

    code = "vault"
    alarm = True


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key under a key-encryption key: `key_id` tells which one, `data` is opaque."""

    key_id: str
    data: bytes


class Keyring(Protocol):
    """Wraps and unwraps 32-byte data keys; `context` must be the same both times."""

    async def wrap(self, data_key: bytes, *, context: bytes) -> WrappedKey:
        """The data key under the current key-encryption key."""
        ...

    async def unwrap(self, wrapped: WrappedKey, *, context: bytes) -> bytes:
        """The data key again; raises `VaultError` when no live key opens it."""
        ...


class LocalKeyring:
    """AES-256-GCM under keys held in memory; `data` is nonce and ciphertext with its tag."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("a keyring needs at least one key")
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self._current = key_id(keys[0])

    async def wrap(self, data_key: bytes, *, context: bytes) -> WrappedKey:
        """The data key under the first key."""
        sealed = seal(self._ciphers[self._current], data_key, context)
        return WrappedKey(key_id=self._current, data=sealed)

    async def unwrap(self, wrapped: WrappedKey, *, context: bytes) -> bytes:
        """The data key, by whichever live key wrapped it."""
        cipher = self._ciphers.get(wrapped.key_id)
        if cipher is None:
            raise VaultError(
                f"this secret was sealed under master key {wrapped.key_id}, which is not among the"
                " live ones; add that key to MASTER_KEY (after a comma) to open it"
            )
        return unseal(cipher, wrapped.data, context)


def key_id(key: bytes) -> str:
    """A name for a key that tells nothing of it."""
    return "local-" + hashlib.sha256(b"manyline key id\0" + key).hexdigest()[:12]


def seal(cipher: AESGCM, plaintext: bytes, context: bytes) -> bytes:
    """Nonce, ciphertext and tag in one piece, bound to `context`."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plaintext, context)


def unseal(cipher: AESGCM, sealed: bytes, context: bytes) -> bytes:
    """What `seal` sealed; raises `VaultError` when key, context or bytes differ."""
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
    except (InvalidTag, ValueError):
        raise VaultError(
            "a stored secret does not open: the master key is not the one that sealed it, or the"
            " stored bytes were changed or moved to another tenant"
        ) from None
