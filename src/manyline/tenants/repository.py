"""Tenants in MongoDB."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.binary import Binary
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from manyline.base.paging import Page, decode_cursor, encode_cursor
from manyline.infra.mongo import Collection, Database, Document, store_errors
from manyline.tenants.models import (
    PhoneNumberTakenError,
    PreviousSecret,
    Tenant,
    TenantChangedError,
    TenantNotFoundError,
    TenantSettings,
    TenantStatus,
)
from manyline.vault.envelope import SealedSecret
from manyline.vault.keyring import WrappedKey

INDEXES = [
    IndexModel([("phoneNumberId", ASCENDING)], unique=True, name="phone_number"),
    IndexModel([("updatedAt", ASCENDING)], name="changed"),
    IndexModel(
        [("wabaId", ASCENDING)],
        name="business_account",
        partialFilterExpression={"wabaId": {"$exists": True}},
    ),
    IndexModel(
        [("appSecretEnc.v", ASCENDING)],
        name="own_app",
        partialFilterExpression={"appSecretEnc.v": {"$exists": True}},
    ),
]

PHONE_NUMBER_TAKEN = (
    "another tenant already uses this phoneNumberId; a number belongs to one tenant,"
    " so change that tenant instead of registering a second one"
)


@dataclass(frozen=True, slots=True)
class ChangedTenant:
    """A trace of a recent change: what a cache needs to forget."""

    id: ObjectId
    phone_number_id: str
    version: int


class TenantRepository:
    """Reads and writes `tenants`; the collection is small and never sharded."""

    def __init__(self, database: Database) -> None:
        self._tenants: Collection = database["tenants"]

    async def ensure_indexes(self) -> None:
        """Make the indexes; does nothing where they exist."""
        with store_errors():
            await self._tenants.create_indexes(INDEXES)

    async def insert(self, tenant: Tenant) -> None:
        """Store a new tenant; raises `PhoneNumberTakenError`."""
        with store_errors():
            try:
                await self._tenants.insert_one(_to_document(tenant))
            except DuplicateKeyError:
                raise PhoneNumberTakenError(PHONE_NUMBER_TAKEN) from None

    async def get(self, tenant_id: ObjectId) -> Tenant:
        """One tenant; raises `TenantNotFoundError`."""
        # all tenants: a tenant's own id is what the query names.
        with store_errors():
            document = await self._tenants.find_one({"_id": tenant_id})
        if document is None:
            raise TenantNotFoundError("there is no tenant with this id")
        return _from_document(document)

    async def find_by_ids(self, tenant_ids: Sequence[ObjectId]) -> list[Tenant]:
        """Those of these tenants that exist."""
        # all tenants: their own ids are what the query names.
        with store_errors():
            found = self._tenants.find({"_id": {"$in": list(tenant_ids)}})
            return [_from_document(document) async for document in found]

    async def find_by_numbers(self, phone_number_ids: Sequence[str]) -> list[Tenant]:
        """The tenants that own any of these numbers."""
        # all tenants: this is how a number finds its tenant.
        with store_errors():
            found = self._tenants.find({"phoneNumberId": {"$in": list(phone_number_ids)}})
            return [_from_document(document) async for document in found]

    async def find_by_wabas(self, waba_ids: Sequence[str]) -> list[Tenant]:
        """The tenants whose numbers belong to any of these business accounts."""
        # all tenants: this is how news of an account finds its tenants.
        with store_errors():
            found = self._tenants.find({"wabaId": {"$in": list(waba_ids)}})
            return [_from_document(document) async for document in found]

    async def any_with_app_secret(self) -> bool:
        """Whether there is a tenant with an app secret of its own."""
        # all tenants: asked before a webhook is known to be anybody's.
        with store_errors():
            found = await self._tenants.find_one({"appSecretEnc.v": {"$exists": True}}, {"_id": 1})
        return found is not None

    async def list_page(self, *, limit: int, cursor: str | None) -> Page[Tenant]:
        """Newest first."""
        # all tenants: the operator's own list.
        after = {"_id": {"$lt": ObjectId(decode_cursor(cursor, size=12))}} if cursor else {}
        with store_errors():
            found = self._tenants.find(after).sort("_id", -1).limit(limit + 1)
            tenants = [_from_document(document) async for document in found]
        more = len(tenants) > limit
        tenants = tenants[:limit]
        return Page(tenants, encode_cursor(tenants[-1].id.binary) if more else None)

    async def replace(self, tenant: Tenant) -> None:
        """Store a changed tenant over the version before it.

        Raises `TenantChangedError` when the stored version is another, and
        `PhoneNumberTakenError`.
        """
        # all tenants: a tenant's own id is what the query names.
        with store_errors():
            found = await self._tenants.find_one_and_replace(
                {"_id": tenant.id, "version": tenant.version - 1},
                _to_document(tenant),
                projection={"_id": True},
                return_document=ReturnDocument.AFTER,
            )
        if found is None:
            raise TenantChangedError(
                "the tenant was changed by somebody else at the same moment; read it and try again"
            )

    async def pause(
        self, tenant_id: ObjectId, *, version: int, reason: str, code: int, at: datetime
    ) -> bool:
        """Pause an active tenant that still is in this version; False when it no longer is."""
        # all tenants: a tenant's own id is what the query names.
        paused = {
            "status": TenantStatus.PAUSED.value,
            "pausedReason": reason,
            "pausedCode": code,
            "updatedAt": at,
        }
        with store_errors():
            done = await self._tenants.update_one(
                {"_id": tenant_id, "version": version, "status": TenantStatus.ACTIVE.value},
                {"$set": paused, "$inc": {"version": 1}},
            )
        return done.modified_count == 1

    async def changed_since(self, moment: datetime) -> list[ChangedTenant]:
        """Which tenants were stored at or after `moment`."""
        # all tenants: every process asks this once a second, to forget what it has cached.
        fields = {"phoneNumberId": True, "version": True}
        with store_errors():
            found = self._tenants.find({"updatedAt": {"$gte": moment}}, fields)
            return [
                ChangedTenant(document["_id"], document["phoneNumberId"], document["version"])
                async for document in found
            ]


def _to_document(tenant: Tenant) -> Document:
    document: dict[str, Any] = {
        "_id": tenant.id,
        "name": tenant.name,
        "phoneNumberId": tenant.phone_number_id,
        "wabaId": tenant.waba_id,
        "displayPhoneNumber": tenant.display_phone_number,
        "dataKeyEnc": {"keyId": tenant.data_key.key_id, "data": Binary(tenant.data_key.data)},
        "accessTokenEnc": _sealed_document(tenant.access_token),
        "appSecretEnc": _sealed_document(tenant.app_secret) if tenant.app_secret else None,
        "previousAppSecret": _previous_document(tenant.previous_app_secret),
        "status": tenant.status.value,
        "pausedReason": tenant.paused_reason,
        "pausedCode": tenant.paused_code,
        "settings": tenant.settings.to_document(),
        "account": dict(tenant.account) or None,
        "version": tenant.version,
        "createdAt": tenant.created_at,
        "updatedAt": tenant.updated_at,
    }
    return {key: value for key, value in document.items() if value is not None}


def _from_document(document: Document) -> Tenant:
    app_secret = document.get("appSecretEnc")
    previous = document.get("previousAppSecret")
    data_key = document["dataKeyEnc"]
    return Tenant(
        id=document["_id"],
        name=document["name"],
        phone_number_id=document["phoneNumberId"],
        waba_id=document.get("wabaId"),
        display_phone_number=document.get("displayPhoneNumber"),
        data_key=WrappedKey(key_id=data_key["keyId"], data=bytes(data_key["data"])),
        access_token=_sealed(document["accessTokenEnc"]),
        app_secret=_sealed(app_secret) if app_secret else None,
        previous_app_secret=_previous(previous) if previous else None,
        status=TenantStatus(document["status"]),
        paused_reason=document.get("pausedReason"),
        paused_code=document.get("pausedCode"),
        settings=TenantSettings.from_document(document.get("settings", {})),
        account=document.get("account") or {},
        version=document["version"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def _sealed_document(secret: SealedSecret) -> dict[str, Any]:
    return {"v": secret.version, "data": Binary(secret.data)}


def _previous_document(previous: PreviousSecret | None) -> dict[str, Any] | None:
    if previous is None:
        return None
    return {"enc": _sealed_document(previous.sealed), "until": previous.until}


def _previous(document: dict[str, Any]) -> PreviousSecret:
    return PreviousSecret(sealed=_sealed(document["enc"]), until=document["until"])


def _sealed(document: dict[str, Any]) -> SealedSecret:
    return SealedSecret(version=document["v"], data=bytes(document["data"]))
