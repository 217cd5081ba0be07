"""Tenants' secrets under envelope encryption.

Each tenant has a data key, stored only wrapped (see `keyring`). Each secret is AES-256-GCM under
that data key, with tenant, field and version as associated data, so a stored secret cannot be
moved to another tenant or another field.
"""

import os
from collections import OrderedDict
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from manyline.vault.keyring import Keyring, WrappedKey, seal, unseal

VERSION = 1
CACHED_KEYS = 20_000


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret at rest: the scheme's version, and nonce, ciphertext and tag."""

    version: int
    data: bytes


class Vault:
    """Seals and opens; unwrapped data keys are kept in memory, bounded, least used out first."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._opened: OrderedDict[bytes, AESGCM] = OrderedDict()

    async def new_data_key(self, tenant_id: str) -> WrappedKey:
        """A fresh data key for a tenant, wrapped."""
        return await self._keyring.wrap(os.urandom(32), context=_context(tenant_id, "dataKey"))

    async def seal(
        self, secret: str, *, tenant_id: str, field: str, data_key: WrappedKey
    ) -> SealedSecret:
        """Encrypt one field of one tenant."""
        cipher = await self._cipher(tenant_id, data_key)
        return SealedSecret(VERSION, seal(cipher, secret.encode(), _context(tenant_id, field)))

    async def open(
        self, sealed: SealedSecret, *, tenant_id: str, field: str, data_key: WrappedKey
    ) -> str:
        """The secret's text; raises `VaultError` when it does not open."""
        cipher = await self._cipher(tenant_id, data_key)
        return unseal(cipher, sealed.data, _context(tenant_id, field, sealed.version)).decode()

    async def _cipher(self, tenant_id: str, data_key: WrappedKey) -> AESGCM:
        known = self._opened.get(data_key.data)
        if known is None:
            key = await self._keyring.unwrap(data_key, context=_context(tenant_id, "dataKey"))
            known = self._opened[data_key.data] = AESGCM(key)
            if len(self._opened) > CACHED_KEYS:
                self._opened.popitem(last=False)
        else:
            self._opened.move_to_end(data_key.data)
        return known


def _context(tenant_id: str, field: str, version: int = VERSION) -> bytes:
    return f"{tenant_id}/{field}/v{version}".encode()
