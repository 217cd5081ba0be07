"""`manyline tenants …` and `manyline messages …` against the running API."""

import re
import socket
from typing import Any

import pytest

from tests.integration.cli.conftest import Run

REGISTER = ("tenants", "register", "--name", "Tenant A", "--phone-number-id", "111111111111111")


@pytest.fixture
def here(backend: Any) -> dict[str, str]:
    return {"MANYLINE_URL": backend.url}


async def test_register_list_and_show_a_tenant(run: Run, backend: Any, here: Any) -> None:
    empty = await run("tenants", "list", **here)
    assert "There is no tenant yet" in empty.out
    made = await run(*REGISTER, stdin="mock_from_a_pipe\n", **here)
    assert made.code == 0, made.err
    found = re.fullmatch(r"Registered as ([0-9a-f]{24})\.\n", made.out)
    assert found
    listed = await run("tenants", "list", **here)
    heading, line = listed.out.splitlines()
    assert heading.split() == ["tenant", "name", "number", "status", "reason"]
    assert line.split() == [found[1], "Tenant", "A", "111111111111111", "active", "-"]
    await backend.patch(found[1], status="paused")
    shown = await run("tenants", "show", found[1], **here)
    assert re.search(r"^status +paused$", shown.out, re.MULTILINE)
    assert re.search(r"^settings\.limits\.messagesPerSecond +80$", shown.out, re.MULTILINE)
    assert "mock_from_a_pipe" not in made.out + listed.out + shown.out


async def test_json_is_the_apis_own(run: Run, backend: Any, here: Any) -> None:
    tenant = await backend.register()
    sent = await backend.sent(tenant)
    for words, path in [
        (("tenants", "list"), "/tenants"),
        (("tenants", "show", tenant), f"/tenants/{tenant}"),
        (("messages", "list", tenant), f"/tenants/{tenant}/messages"),
        (("messages", "show", tenant, sent), f"/tenants/{tenant}/messages/{sent}"),
    ]:
        ran = await run(*words, "--json", **here)
        assert ran.json == (await backend.call("GET", path)).body


async def test_send_list_and_show_messages(run: Run, backend: Any, here: Any) -> None:
    tenant = await backend.register()
    words = ("messages", "send", tenant, "--to", "+919012345678", "--text", "hello there")
    first = await run(*words, "--idempotency-key", "order-1", **here)
    assert first.code == 0, first.err
    message = re.match(r"Queued as (\w+) \(idempotency key order-1\)", first.out)
    assert message
    again = await run(*words, "--idempotency-key", "order-1", "--json", **here)
    assert again.json["messageId"] == message[1]
    listed = await run("messages", "list", tenant, **here)
    line = listed.out.splitlines()[1]
    assert line.split()[0] == message[1]
    assert line.split()[2:] == ["OUT", "+919012345678", "queued", "hello", "there"]
    shown = await run("messages", "show", tenant, message[1], **here)
    assert re.search(r"^status +queued$", shown.out, re.MULTILINE)
    conversation = (await backend.message(tenant, message[1]))["conversationId"]
    await backend.sent(tenant, to="+919087654321")
    only = await run("messages", "list", tenant, "--conversation", conversation, "--json", **here)
    assert [one["messageId"] for one in only.json["items"]] == [message[1]]


async def test_pages_go_on_where_they_ended(run: Run, backend: Any, here: Any) -> None:
    numbers = [f"{number}00000000000000" for number in range(1, 4)]
    ids = [await backend.register(number) for number in numbers]
    first = await run("tenants", "list", "--limit", "2", **here)
    more = re.search(r"^more: (--cursor) (\S+)$", first.out, re.MULTILINE)
    assert more
    rest = await run("tenants", "list", *more.groups(), "--json", **here)
    assert [one["tenantId"] for one in rest.json["items"]] == [ids[0]]


async def test_a_customers_text_does_not_act_on_the_terminal(
    run: Run, backend: Any, here: Any, text_message: Any, webhook_of: Any
) -> None:
    tenant = await backend.register(settings={"autoReply": {"enabled": False}})
    text = "\x1b[2J\x1b]0;owned\x07 [red]hi[/red]\nsecond \u202eline"
    assert (await backend.webhook(webhook_of(messages=[text_message(text)]))).status == 200
    for words in (
        ("list", tenant),
        ("show", tenant, (await backend.messages(tenant))[0]["messageId"]),
    ):
        ran = await run("messages", *words, **here)
        assert "[red]hi[/red] second" in ran.out
        assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", ran.out)


async def test_a_refusal_is_one_line_that_says_why(run: Run, backend: Any, here: Any) -> None:
    tenant = await backend.register()
    for words, why in [
        (
            ("tenants", "show", "0" * 24),
            "there is no tenant with this id (tenant_not_found, HTTP 404)",
        ),
        (("messages", "send", tenant, "--to", "12", "--text", "x"), "not a phone number"),
        ((*REGISTER, "--access-token", "EAA"), "another tenant already uses this phoneNumberId"),
    ]:
        ran = await run(*words, **here)
        assert ran.code == 1
        assert ran.err.startswith("manyline: ")
        assert why in ran.err
        assert len(ran.err.splitlines()) == 1
        assert ran.out == ""


async def test_the_operators_key_comes_from_the_settings(run: Run, open_backend: Any) -> None:
    guarded = await open_backend(admin_api_key="a-key")
    here = {"MANYLINE_URL": guarded.url}
    assert (await run("tenants", "list", **here, ADMIN_API_KEY="a-key")).code == 0
    for wrong in ({}, {"ADMIN_API_KEY": "another"}):
        refused = await run("tenants", "list", **here, **wrong)
        assert refused.code == 1
        assert "set ADMIN_API_KEY to the one that it was started with" in refused.err


async def test_nobody_there_is_one_line_that_says_what_to_do(run: Run) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        for options in ({"PORT": str(port)}, {"MANYLINE_URL": f"http://127.0.0.1:{port}"}):
            ran = await run("tenants", "list", **options)
            assert ran.code == 1
            assert f"nobody answers at http://127.0.0.1:{port} (Connection refused)" in ran.err
            assert "manyline up" in ran.err


async def test_a_url_that_is_none_is_refused(run: Run) -> None:
    ran = await run("tenants", "list", "--url", "localhost:3000")
    assert ran.code == 78
    assert "is no URL of an API" in ran.err


@pytest.mark.parametrize("port", ["abc", "99999", "-1"])
async def test_a_port_that_is_none_is_one_line(run: Run, port: str) -> None:
    for words in (("tenants", "list"), ("messages", "list", "0" * 24)):
        ran = await run(*words, MANYLINE_URL=f"http://127.0.0.1:{port}")
        assert ran.code == 78
        assert ran.err.splitlines() == [
            f"manyline: 'http://127.0.0.1:{port}' is no URL of an API; it looks like"
            " http://127.0.0.1:3000"
        ]


async def test_a_password_in_the_url_is_never_printed(run: Run) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{closed.getsockname()[1]}"
        for url in (
            f"http://me:s3cret@{place}",
            f"http://me:s3cret@{place}/under",
            "http://me:s3cret@127.0.0.1:abc",
            "http://me:s3cret/more@there",
            "me:s3cret@there",
        ):
            for words in (("tenants", "list"), ("doctor",)):
                ran = await run(*words, MANYLINE_URL=url)
                assert ran.code != 0
                assert "s3cret" not in ran.out + ran.err
    assert "nobody answers at" in (await run("tenants", "list", MANYLINE_URL=f"http://{place}")).err


async def test_a_password_in_the_graph_url_is_not_printed_by_doctor(run: Run) -> None:
    ran = await run("doctor", "--json", GRAPH_BASE_URL="http://me:s3cret@127.0.0.1:1")
    graph = next(one for one in ran.json["checks"] if one["name"] == "Graph")
    assert graph["state"] == "broken"
    assert "http://127.0.0.1:1" in graph["detail"]
    assert "s3cret" not in ran.out + ran.err


async def test_a_graph_url_that_is_none_is_refused_without_its_password(run: Run) -> None:
    ran = await run("doctor", "--json", GRAPH_BASE_URL="http://me:s3cret@127.0.0.1:abc")
    assert ran.code != 0
    assert "GRAPH_BASE_URL" in ran.out + ran.err
    assert "s3cret" not in ran.out + ran.err


async def test_an_id_stays_one_segment_of_the_path(run: Run, backend: Any, here: Any) -> None:
    tenant = await backend.register()
    for made_up in (
        f"{tenant}/messages",
        f"{tenant}?limit=1",
        f"{tenant}#",
        "..",
        "a\r\nX: y",
        "é",
    ):
        for words in (
            ("tenants", "show", made_up),
            ("messages", "list", made_up),
            ("messages", "list", tenant, "--conversation", made_up),
            ("messages", "show", tenant, made_up),
            ("messages", "send", made_up, "--to", "+919012345678", "--text", "x"),
        ):
            ran = await run(*words, **here)
            assert (ran.code, ran.out) == (1, ""), words
            assert len(ran.err.splitlines()) == 1, words
    assert await backend.messages(tenant) == []


async def test_somebody_else_there_is_said_so(run: Run, simulator: Any) -> None:
    ran = await run("tenants", "list", "--url", simulator.base_url)
    assert ran.code == 1
    assert "is the URL right?" in ran.err
