"""Whose an item is, and when it was said."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from manyline.inbound.addressed import Addressed
from manyline.inbound.models import Quarantined, RoutedEvent, RoutedItem, RoutedMessage
from manyline.inbound.routing import route
from manyline.meta.webhook import parse
from manyline.tenants.models import Tenant

Make = Callable[..., Tenant]


def routed(
    clock: Any, changes: list[dict[str, Any]], *tenants: Tenant
) -> tuple[list[RoutedItem], int]:
    """All of these tenants are of the account `waba`."""
    entry = {"id": "4711000", "changes": changes}
    items = parse(json.dumps({"entry": [entry]}).encode())
    by_number = {tenant.phone_number_id: tenant for tenant in tenants}
    addressed = Addressed(items, by_number, {"4711000": tenants})
    routing = route(addressed, now=clock.now())
    assert len(routing.places) == len(routing.items)
    return routing.items, routing.dropped


def change(field: str, **value: Any) -> dict[str, Any]:
    return {"field": field, "value": value}


def of_number(number: str, **value: Any) -> dict[str, Any]:
    return change("messages", metadata={"phone_number_id": number}, **value)


def text(**more: Any) -> dict[str, Any]:
    return {"from": "919111111111", "id": "wamid.1", "type": "text", **more}


def test_what_is_nobodys_is_dropped(make_tenant: Make, clock: Any) -> None:
    tenant = make_tenant()
    mine = of_number(tenant.phone_number_id, messages=[text()])
    nobodys = of_number("999999", messages=[text()], statuses=[{"id": "x", "status": "sent"}])
    items, dropped = routed(clock, [mine, nobodys], tenant)
    assert [type(item) for item in items] == [RoutedMessage]
    assert dropped == 2


def test_nothing_is_said_in_the_future(make_tenant: Make, clock: Any) -> None:
    tenant = make_tenant()
    later = str(int((clock.now() + timedelta(days=1)).timestamp()))
    messages = [text(timestamp=later), text(timestamp="1700000000"), text()]
    items, _ = routed(clock, [of_number(tenant.phone_number_id, messages=messages)], tenant)
    said = [item.said_at for item in items if isinstance(item, RoutedMessage)]
    assert said[0] == said[2] == clock.now()
    assert said[1].timestamp() == 1700000000


def test_what_has_no_bson_form_is_set_aside_alone(make_tenant: Make, clock: Any) -> None:
    tenant = make_tenant()
    messages = [text(), text(odd={"a\u0000": 1}), text()]
    items, _ = routed(clock, [of_number(tenant.phone_number_id, messages=messages)], tenant)
    assert [type(item) for item in items] == [RoutedMessage, Quarantined, RoutedMessage]
    news = change("template_category_update", odd={"a\u0000": 1})
    [item], _ = routed(clock, [news], tenant)
    assert isinstance(item, Quarantined)
    assert item.tenant_id == tenant.id


def test_news_of_an_account_goes_to_all_its_tenants(make_tenant: Make, clock: Any) -> None:
    one, two = make_tenant(phone_number_id="11111"), make_tenant(phone_number_id="22222")
    items, dropped = routed(clock, [change("account_update", event="X")], one, two)
    assert {item.tenant.id for item in items if isinstance(item, RoutedEvent)} == {one.id, two.id}
    assert dropped == 0
    assert routed(clock, [change("account_update", event="X")]) == ([], 1)


def test_news_of_a_number_goes_to_whose_it_is(make_tenant: Make, clock: Any) -> None:
    news = change("phone_number_quality_update", display_phone_number="15550001", event="FLAGGED")

    def told(*tenants: Tenant) -> set[str]:
        items, _ = routed(clock, [news], *tenants)
        return {item.tenant.name for item in items if isinstance(item, RoutedEvent)}

    its = replace(make_tenant(name="its"), display_phone_number="+1 555-0001")
    others = replace(make_tenant(name="others"), display_phone_number="15550002")
    unknown = make_tenant(name="unknown")
    assert told(its, others, unknown) == {"its"}
    assert told(others, unknown) == {"unknown"}
    assert told(others) == set()
