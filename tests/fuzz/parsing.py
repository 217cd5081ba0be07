"""What must hold of the parser, whatever comes."""

import json
from functools import cache

from manyline.meta.webhook import InboundMessage, Item, MalformedWebhookError, Unreadable, parse
from tests.fuzz.mutations import NUMBER, Mutant, healthy


def check_mutant(mutant: Mutant) -> None:
    """Nothing raises, and every healthy message is there, whole."""
    items = parse(mutant.body)
    found = {item.wamid: item for item in items if isinstance(item, InboundMessage)}
    for wamid in mutant.due:
        assert found.get(wamid) == _expected(wamid), f"{wamid} is lost or changed"
    _check_items(items)


def check_noise(body: bytes) -> None:
    """Nothing raises but what says that this is no webhook."""
    try:
        _check_items(parse(body))
    except MalformedWebhookError:
        pass


def _check_items(items: list[Item]) -> None:
    for item in items:
        assert item.phone_number_id is None or isinstance(item.phone_number_id, str)
        if isinstance(item, Unreadable):
            assert item.reason
            try:
                json.dumps(item.item)
            except RecursionError:  # The quarantine has an answer to this, but to nothing else.
                pass


@cache
def _expected(wamid: str) -> Item:
    change = {"value": {"metadata": {"phone_number_id": NUMBER}, "messages": [healthy(wamid)]}}
    [item] = parse(json.dumps({"entry": [{"changes": [change]}]}).encode())
    return item
