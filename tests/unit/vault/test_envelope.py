"""Secrets at rest: they open for whom they were sealed, and for nobody else."""

import pytest

from manyline.vault.envelope import SealedSecret, Vault
from manyline.vault.keyring import LocalKeyring, VaultError, WrappedKey, key_id

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
TOKEN = "EAAG-a-token"


async def sealed_by(vault: Vault) -> tuple[WrappedKey, SealedSecret]:
    data_key = await vault.new_data_key("tenant-1")
    sealed = await vault.seal(TOKEN, tenant_id="tenant-1", field="accessToken", data_key=data_key)
    return data_key, sealed


async def test_what_is_sealed_opens_again() -> None:
    vault = Vault(LocalKeyring([OLD]))
    data_key, sealed = await sealed_by(vault)
    opened = await vault.open(sealed, tenant_id="tenant-1", field="accessToken", data_key=data_key)
    assert opened == TOKEN
    # Also in another process, which has nothing in memory.
    fresh = Vault(LocalKeyring([OLD]))
    assert (
        await fresh.open(sealed, tenant_id="tenant-1", field="accessToken", data_key=data_key)
        == TOKEN
    )


async def test_nothing_of_the_secret_shows_and_no_two_seals_are_alike() -> None:
    vault = Vault(LocalKeyring([OLD]))
    data_key, sealed = await sealed_by(vault)
    again = await vault.seal(TOKEN, tenant_id="tenant-1", field="accessToken", data_key=data_key)
    assert sealed.data != again.data
    assert sealed.data[:12] != again.data[:12]
    for stored in (sealed.data, again.data, data_key.data):
        assert TOKEN.encode() not in stored
        assert OLD not in stored


@pytest.mark.parametrize("warm", [True, False], ids=["key in memory", "key not in memory"])
@pytest.mark.parametrize(
    ("tenant_id", "field", "version"),
    [
        ("tenant-2", "accessToken", 1),
        ("tenant-1", "appSecret", 1),
        ("tenant-1", "accessToken", 2),
    ],
)
async def test_a_moved_secret_does_not_open(
    warm: bool, tenant_id: str, field: str, version: int
) -> None:
    vault = Vault(LocalKeyring([OLD]))
    data_key, sealed = await sealed_by(vault)
    reader = vault if warm else Vault(LocalKeyring([OLD]))
    moved = SealedSecret(version, sealed.data)
    with pytest.raises(VaultError):
        await reader.open(moved, tenant_id=tenant_id, field=field, data_key=data_key)


async def test_another_tenants_data_key_does_not_open() -> None:
    vault = Vault(LocalKeyring([OLD]))
    _, sealed = await sealed_by(vault)
    other = await vault.new_data_key("tenant-2")
    with pytest.raises(VaultError):
        await vault.open(sealed, tenant_id="tenant-1", field="accessToken", data_key=other)


@pytest.mark.parametrize("place", [0, 12, -1])
async def test_changed_bytes_do_not_open(place: int) -> None:
    vault = Vault(LocalKeyring([OLD]))
    data_key, sealed = await sealed_by(vault)
    changed = bytearray(sealed.data)
    changed[place] ^= 1
    for data in (bytes(changed), b"", b"short"):
        with pytest.raises(VaultError):
            await vault.open(
                SealedSecret(1, data), tenant_id="tenant-1", field="accessToken", data_key=data_key
            )


async def test_rotation_the_new_key_seals_and_both_open() -> None:
    data_key, sealed = await sealed_by(Vault(LocalKeyring([OLD])))
    both = Vault(LocalKeyring([NEW, OLD]))
    opened = await both.open(sealed, tenant_id="tenant-1", field="accessToken", data_key=data_key)
    assert opened == TOKEN
    assert (await both.new_data_key("tenant-1")).key_id == key_id(NEW)
    assert data_key.key_id == key_id(OLD)


async def test_a_key_that_is_gone_is_named_without_being_told() -> None:
    data_key, sealed = await sealed_by(Vault(LocalKeyring([OLD])))
    with pytest.raises(VaultError) as raised:
        await Vault(LocalKeyring([NEW])).open(
            sealed, tenant_id="tenant-1", field="accessToken", data_key=data_key
        )
    told = raised.value.detail
    assert key_id(OLD) in told
    assert "MASTER_KEY" in told
    for secret in (OLD.hex(), NEW.hex(), TOKEN):
        assert secret not in told


def test_a_keyring_without_keys_is_no_keyring() -> None:
    with pytest.raises(ValueError, match="at least one key"):
        LocalKeyring([])


async def test_keys_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manyline.vault.envelope.CACHED_KEYS", 3)
    vault = Vault(LocalKeyring([OLD]))
    sealed = [await sealed_by(vault) for _ in range(10)]
    assert len(vault._opened) <= 3
    data_key, first = sealed[0]
    assert (
        await vault.open(first, tenant_id="tenant-1", field="accessToken", data_key=data_key)
        == TOKEN
    )
