"""What is sent: customers' messages, the statuses of replies, and the tenants' own sends.

A file of requests has one a line, `path <tab> header <tab> body`, so that whoever sends them has
nothing to sign and nothing to think about while a clock runs.
"""

import json
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from bench.load import CUSTOMERS, phone_number, phone_number_id, webhook
from bench.store import Reply
from manyline.meta.signature import sign

WEBHOOK = "/whatsapp/webhook"
STATUSES = ("sent", "delivered", "read")
APART = 200
"""So many requests lie between two statuses of one reply: Meta's are seconds apart."""


class Request(NamedTuple):
    """An HTTP POST; `header` is `Name: value`, or empty."""

    path: str
    header: str
    body: str


def write(requests: Iterable[Request], file: Path) -> None:
    """Have them ready for `closed_loop` and `open_loop`."""
    with file.open("w", encoding="ascii") as lines:
        lines.writelines(f"{path}\t{header}\t{body}\n" for path, header, body in requests)


def read(file: Path) -> list[Request]:
    """What `write` wrote."""
    with file.open(encoding="ascii") as lines:
        return [Request(*line.rstrip("\n").split("\t", 2)) for line in lines]


def messages(count: int, *, tenants: int, app_secret: str, series: int) -> Iterator[Request]:
    """Customers' messages, one text each, evenly over tenants and customers.

    A customer is drawn at random, so newcomers and people met before both occur; each belongs to
    one tenant. wamids are unique within a series and between different ones.
    """
    draw = random.Random(series)
    now = str(int(time.time()))
    for number in range(count):
        customer = draw.randrange(CUSTOMERS)
        said = webhook(series << 28 | number, customer, phone_number_id(customer % tenants), now)
        yield _signed(said, app_secret)


def statuses(replies: Sequence[Reply], *, app_secret: str) -> Iterator[Request]:
    """`sent`, `delivered` and `read` of each reply, in this order and `APART` from each other."""
    now = str(int(time.time()))
    for place in range(len(replies) + APART * (len(STATUSES) - 1)):
        for behind, status in enumerate(STATUSES):
            of = place - APART * behind
            if 0 <= of < len(replies):
                yield _signed(_status(replies[of], status, now), app_secret)


def mixture(some: Iterable[Request], of_replies: Iterable[Request]) -> Iterator[Request]:
    """One message to three statuses, as Meta's load is for a platform that answers everybody."""
    rest = iter(of_replies)
    for one in some:
        three = list(islice(rest, len(STATUSES)))
        if len(three) < len(STATUSES):
            return
        yield from chain((one,), three)


def sends(
    count: int, tenant_ids: Sequence[object], *, header: str, series: int
) -> Iterator[Request]:
    """Texts that tenants send by the API, each under a key of its own, to random customers."""
    draw = random.Random(series)
    for number in range(count):
        customer = draw.randrange(CUSTOMERS)
        tenant_id = tenant_ids[customer % len(tenant_ids)]
        asked = {
            "to": phone_number(customer),
            "text": f"Your order number {number} is on its way.",
            "idempotency_key": f"order-{series}-{number}",
        }
        yield Request(f"/tenants/{tenant_id}/send", header, json.dumps(asked))


def _signed(body: str, app_secret: str) -> Request:
    return Request(WEBHOOK, f"X-Hub-Signature-256: {sign(body.encode(), app_secret)}", body)


def _status(reply: Reply, name: str, now: str) -> str:
    """As Meta writes it. It tells our own id back, which the seeds did not ask it to remember."""
    status = {
        "id": reply.wamid,
        "status": name,
        "timestamp": now,
        "recipient_id": reply.recipient.removeprefix("+"),
        "biz_opaque_callback_data": str(reply.message_id),
    }
    metadata = {"display_phone_number": "15550001111", "phone_number_id": reply.phone_number_id}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [status]}
    entry = {"id": "102290129340398", "changes": [{"field": "messages", "value": value}]}
    envelope = {"object": "whatsapp_business_account", "entry": [entry]}
    return json.dumps(envelope, separators=(",", ":"))
