"""Plays a customer: turns a wish into inbound webhooks and delivers them."""

import asyncio
import time
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from graphsim.faults import Subject
from graphsim.identifiers import digits, new_wamid, waba_id
from graphsim.payloads import inbound_change
from graphsim.state import State
from graphsim.webhook_delivery import FirstAnswer, Update


class InboundOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a customer shall write, to whom, and how Meta delivers it."""

    phone_number_id: str
    from_: str | None = msgspec.field(default=None, name="from")
    """The customer's number; may be left out when `message` says who writes."""
    text: str | None = None
    message: dict[str, Any] | None = None
    """A Cloud API message object as it is; `from`, `id`, `timestamp` are added where missing."""
    name: str | None = None
    """The profile's name."""
    id: str | None = None
    """The wamid, for one message; by default a new one."""
    timestamp: int | None = None
    """Unix seconds; by default now."""
    count: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1
    """So many messages, each with an id of its own."""
    copies: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    """Each POST is delivered so many times, concurrently."""
    per_post: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    """So many messages go into one POST, a change for each."""
    wait: bool = False
    """Answer only when every copy was tried once, and say how."""

    def __post_init__(self) -> None:
        if self.text is None and self.message is None:
            raise ValueError("give `text`, or a whole `message`")
        if self.from_ is None and not {"from", "from_user_id"} & (self.message or {}).keys():
            raise ValueError("give `from`, the customer's number")
        if self.count > 1 and (self.id is not None or "id" in (self.message or {})):
            raise ValueError("an id belongs to one message; leave out `id` or `count`")


async def deliver(order: InboundOrder, state: State) -> dict[str, Any]:
    """`{"wamids": […]}`, and with `wait` also `"answers"`: per message the statuses of its copies.

    An answer is None when the receiver gave none; such a delivery is tried again nevertheless.
    Raises `ValueError` when there is no webhook URL to deliver to.
    """
    if state.settings.webhook_url is None:
        raise ValueError("no webhook URL is set; give the simulator a `webhook_url` first")
    messages = [_message(order) for _ in range(order.count)]
    for message in messages:
        state.limits.customer_wrote(order.phone_number_id, message)
    answers: list[list[FirstAnswer]] = []
    for group in _groups(messages, order.per_post):
        answers.extend(_post(group, order, state))
    result: dict[str, Any] = {"wamids": [message["id"] for message in messages]}
    if order.wait:
        result["answers"] = [list(await asyncio.gather(*copies)) for copies in answers]
    return result


def _post(
    group: list[dict[str, Any]], order: InboundOrder, state: State
) -> list[list[FirstAnswer]]:
    """Deliver one POST; for each of its messages the futures of the copies' first answers."""
    delivery = state.delivery
    updates: list[Update] = []
    leaving: list[bool] = []
    copies = order.copies
    for message in group:
        wrong = state.faults.for_webhooks(_subject(order.phone_number_id, message))
        leaving.append(not wrong.drops("inbound"))
        if not leaving[-1]:
            delivery.counters.dropped += 1
            continue
        copies = max(copies, wrong.copies("inbound"))
        updates.append(_update(order, message))
    if not updates:
        return [[] for _ in group]
    delivery.promise(len(updates))
    if not order.wait:
        delivery.post(updates, copies=copies)
        return []
    futures = delivery.post_and_tell(updates, copies=copies)
    return [futures if left else [] for left in leaving]


def _update(order: InboundOrder, message: dict[str, Any]) -> Update:
    change = inbound_change(phone_number_id=order.phone_number_id, name=order.name, message=message)
    return Update(waba_id=waba_id(order.phone_number_id), change=change, heard=_nothing)


def _message(order: InboundOrder) -> dict[str, Any]:
    message: dict[str, Any] = {}
    if order.from_ is not None:
        message["from"] = digits(order.from_)
    message.update(order.message or {"type": "text", "text": {"body": order.text}})
    customer = message.get("from") or message.get("from_user_id")
    message.setdefault("id", order.id or new_wamid(str(customer), inbound=True))
    message.setdefault("timestamp", str(order.timestamp or int(time.time())))
    return message


def _subject(phone_number_id: str, message: dict[str, Any]) -> Subject:
    customer = message.get("from") or message.get("from_user_id")
    return Subject(phone_number_id=phone_number_id, customer=str(customer))


def _groups(messages: list[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(messages), size):
        yield messages[start : start + size]


def _nothing() -> None:
    """An inbound message is heard, and that is all."""
