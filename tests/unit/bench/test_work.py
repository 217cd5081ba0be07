"""What is sent: unique, signed, in the right mixture and order."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from bson import ObjectId

from bench import work
from bench.store import Reply
from bench.work import Request
from manyline.meta.signature import sign

SECRET = "an-app-secret"


def some_messages(count: int, series: int = 0) -> list[Request]:
    return list(work.messages(count, tenants=3, app_secret=SECRET, series=series))


def replies(count: int) -> list[Reply]:
    return [
        Reply(ObjectId(), f"wamid.{n}", "100000000000001", "+919000000001") for n in range(count)
    ]


def value_of(request: Request) -> dict[str, list[dict[str, str]]]:
    value: dict[str, list[dict[str, str]]] = json.loads(request.body)["entry"][0]["changes"][0][
        "value"
    ]
    return value


def test_messages_are_signed_and_their_wamids_differ_between_series() -> None:
    requests = some_messages(50) + some_messages(50, series=1)
    for request in requests:
        assert request.path == "/whatsapp/webhook"
        assert request.header == f"X-Hub-Signature-256: {sign(request.body.encode(), SECRET)}"
    assert len({value_of(request)["messages"][0]["id"] for request in requests}) == 100


def test_each_reply_gets_its_three_statuses_in_order_and_apart() -> None:
    told = list(work.statuses(replies(300), app_secret=SECRET))
    assert len(told) == 900
    seen: dict[str, list[tuple[int, str]]] = {}
    for place, request in enumerate(told):
        status = value_of(request)["statuses"][0]
        seen.setdefault(status["id"], []).append((place, status["status"]))
    for steps in seen.values():
        assert [status for _, status in steps] == ["sent", "delivered", "read"]
        assert all(later - earlier >= 200 for (earlier, _), (later, _) in pairwise(steps))


def test_one_message_to_three_statuses_until_either_runs_out() -> None:
    statuses = work.statuses(replies(10), app_secret=SECRET)
    mixed = list(work.mixture(some_messages(100), statuses))
    kinds = Counter("messages" if "messages" in value_of(one) else "statuses" for one in mixed)
    assert kinds == {"messages": 10, "statuses": 30}
    assert "messages" in value_of(mixed[0])
    assert "messages" in value_of(mixed[4])


def test_sends_have_keys_of_their_own_and_the_callers_header() -> None:
    header = "Authorization: Bearer key"
    sends = list(work.sends(30, ["one", "two"], header=header, series=5))
    assert {send.path for send in sends} == {"/tenants/one/send", "/tenants/two/send"}
    assert {send.header for send in sends} == {header}
    assert len({json.loads(send.body)["idempotency_key"] for send in sends}) == 30


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    requests = [*some_messages(3), Request("/path", "", '{"text": "a\\tb"}')]
    work.write(requests, tmp_path / "requests.txt")
    assert work.read(tmp_path / "requests.txt") == requests
