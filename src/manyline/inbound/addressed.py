"""Whom a webhook speaks of: every number and every business account in it, and their tenants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from manyline.meta.webhook import AccountEvent, Item
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import Tenant


class Named(NamedTuple):
    """The ids in a webhook, each once."""

    numbers: set[str]
    wabas: set[str]
    """Business accounts of the items that name no number; those with one go by that."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """A webhook's items, and whose they are; what is nobody's is in neither mapping."""

    items: Sequence[Item]
    by_number: Mapping[str, Tenant]
    by_waba: Mapping[str, Sequence[Tenant]]
    """For account events without a number: an account may have many numbers, so many tenants."""


def named_in(items: Sequence[Item]) -> Named:
    """All that the items name."""
    numbers: set[str] = set()
    wabas: set[str] = set()
    for item in items:
        if item.phone_number_id is not None:
            numbers.add(item.phone_number_id)
        elif isinstance(item, AccountEvent) and item.waba_id is not None:
            wabas.add(item.waba_id)
    return Named(numbers, wabas)


async def address(
    items: Sequence[Item],
    named: Named,
    directory: TenantDirectory,
    *,
    remember_strangers: bool = True,
) -> Addressed:
    """Look up what the items name; raises `StoreUnavailableError`."""
    by_number = await directory.by_numbers(named.numbers, remember_strangers=remember_strangers)
    by_waba = await directory.by_wabas(named.wabas) if named.wabas else {}
    return Addressed(items, by_number, by_waba)
