"""`/tenants`: register, list, look, change."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from manyline.base.json_merge import merge_patch
from manyline.entry.api.given import RegisterGiven, TenantPatch
from manyline.entry.api.parameters import Cursor, Limit, TenantId
from manyline.entry.api.shown import PageShown, RegisteredShown, TenantShown, show_tenant
from manyline.sending.wakes import Wakes
from manyline.tenants.changing import Changes, TenantChanger
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import Tenant, TenantStatus
from manyline.tenants.service import NewTenant, TenantService

# By then every process has forgotten the tenant as it was.
WAKE_AFTER_SECONDS = 2.5


def tenant_routes(
    service: TenantService, changer: TenantChanger, directory: TenantDirectory, wakes: Wakes
) -> APIRouter:
    """The routes over one service; changes are told to this process' directory at once."""
    router = APIRouter(prefix="/tenants", tags=["tenants"])

    @router.post("/register", status_code=201)
    async def register(given: RegisterGiven) -> RegisteredShown:
        """Register a tenant; its number starts to be served at once."""
        tenant = await service.register(
            NewTenant(
                name=given.name,
                phone_number_id=given.phone_number_id,
                access_token=given.access_token,
                waba_id=given.waba_id,
                app_secret=given.app_secret,
                settings=given.settings.to_settings(),
            )
        )
        directory.forget(tenant.id, tenant.phone_number_id)
        return RegisteredShown(tenant_id=str(tenant.id))

    @router.get("")
    async def list_tenants(limit: Limit = 50, cursor: Cursor = None) -> PageShown[TenantShown]:
        """Tenants, newest first."""
        page = await service.list_page(limit=limit, cursor=cursor)
        return PageShown(items=[show_tenant(t) for t in page.items], next_cursor=page.next_cursor)

    @router.get("/{tenantId}")
    async def get_tenant(tenant_id: TenantId) -> TenantShown:
        """One tenant, without its secrets."""
        return show_tenant(await service.get(tenant_id))

    @router.patch("/{tenantId}")
    async def change_tenant(
        tenant_id: TenantId, patch: Annotated[dict[str, Any], Body()]
    ) -> TenantShown:
        """JSON Merge Patch over name, accessToken, wabaId, appSecret, settings and status.

        A new accessToken is checked against Graph before it is stored; it ends a pause for which
        the old one was the reason.
        """
        tenant = await changer.change(tenant_id, lambda current: _changes(current, patch))
        directory.forget(tenant.id, tenant.phone_number_id)
        if tenant.status is TenantStatus.ACTIVE:
            # What waited while the tenant was paused, or for a token, goes on.
            wakes.wake_number(tenant.phone_number_id, delay_seconds=WAKE_AFTER_SECONDS)
        return show_tenant(tenant)

    return router


def _changes(current: Tenant, patch: dict[str, Any]) -> Changes:
    """The patch applied to what the tenant is now; raises `RequestValidationError`."""
    before = {
        "name": current.name,
        "wabaId": current.waba_id,
        "status": current.status.value,
        "settings": current.settings.to_document(),
    }
    merged = {"wabaId": None, **merge_patch(before, patch)}
    if "accessToken" in patch and patch["accessToken"] is None:
        merged["accessToken"] = ""  # A tenant cannot be without one: refused as too short.
    try:
        wanted = TenantPatch.model_validate(merged)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None
    return Changes(
        name=wanted.name,
        waba_id=wanted.waba_id,
        status=wanted.status if "status" in patch else None,
        settings=wanted.settings.to_settings(),
        access_token=wanted.access_token,
        app_secret=wanted.app_secret,
        forget_app_secret="appSecret" in patch and patch["appSecret"] is None,
    )
