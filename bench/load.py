"""The load: signed webhooks prepared in a file, sent by wrk as fast as they are taken."""

import json
import os
import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.programs import BenchError, find
from manyline.meta.signature import sign

CUSTOMERS = 50_000
MOST_PER_SECOND = 4000
"""More webhooks than this a second are not prepared; wrk stops early when they run out."""
CONNECTIONS = 64
SCRIPT = Path(__file__).with_name("webhooks.lua")


@dataclass(frozen=True)
class Loaded:
    """What wrk saw. Its latencies are those of a closed loop: 64 callers who never pause."""

    seconds: float
    taken: int
    refused: int
    p50_ms: float
    p99_ms: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Webhooks answered 200 a second."""
        return self.taken / self.seconds


def phone_number_id(tenant: int) -> str:
    """The number of the nth tenant."""
    return str(100_000_000_000_000 + tenant)


def prepare(file: Path, *, tenants: int, seconds: float, app_secret: str) -> None:
    """Write enough webhooks for that time, one text each, evenly over tenants and customers.

    A customer is drawn at random, so both newcomers and people met before occur; each belongs to
    one tenant. wamids are unique in a file; the store is emptied before a file is sent again.
    """
    draw = random.Random(1)
    now = str(int(time.time()))
    with file.open("w", encoding="ascii") as lines:
        for number in range(int(MOST_PER_SECOND * seconds)):
            customer = draw.randrange(CUSTOMERS)
            body = webhook(number, customer, phone_number_id(customer % tenants), now)
            lines.write(f"{sign(body.encode(), app_secret)} {body}\n")


def webhook(number: int, customer: int, phone_number_id: str, now: str) -> str:
    """As Meta writes it: one entry, one change, one message, compact, ASCII."""
    who = str(919_000_000_000 + customer)
    metadata = {"display_phone_number": "15550001111", "phone_number_id": phone_number_id}
    message = {
        "from": who,
        "id": f"wamid.HBgMOTE5MDAwMDAwMDAwFQIAEhgU{number:012X}AA==",
        "timestamp": now,
        "text": {"body": f"Hello, is my order number {number} on its way? \u2713"},
        "type": "text",
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": metadata,
        "contacts": [{"profile": {"name": f"Customer {customer}"}, "wa_id": who}],
        "messages": [message],
    }
    change = {"value": value, "field": "messages"}
    envelope = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "102290129340398", "changes": [change]}],
    }
    return json.dumps(envelope, separators=(",", ":"))


def send(file: Path, *, url: str, seconds: float) -> Loaded:
    """Send the file's webhooks to `url` for that time; one thread of wrk is plenty."""
    argv = [find("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--timeout", "10s"]
    argv += ["-s", str(SCRIPT), url, "--", str(file)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as wrk:
        assert wrk.stdout is not None
        printed = wrk.stdout.read()
        _, status, used = os.wait4(wrk.pid, 0)
        wrk.returncode = os.waitstatus_to_exitcode(status)
    results = [line[7:] for line in printed.splitlines() if line.startswith("RESULT ")]
    if not results:
        raise BenchError(f"wrk ended with {wrk.returncode} and no result: {printed[-300:]}")
    found = json.loads(results[0])
    return Loaded(
        seconds=found["seconds"],
        taken=found["answers"] - found["not_2xx"],
        refused=found["not_2xx"] + found["broken"],
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        cpu_seconds=used.ru_utime + used.ru_stime,
    )
