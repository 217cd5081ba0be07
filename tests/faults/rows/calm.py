"""Nothing goes wrong: what the other rows disturb."""

from tests.faults.row import row
from tests.faults.stage import Stage
from tests.faults.verdict import come_to_rest, departures, p95

PROMPT_SECONDS = 2.5
"""The relay looks after messages that are overdue by 5 s: whoever waits for that was not woken."""


@row(
    done="nothing: the load alone",
    holds="every message is read at the end, none in doubt; 95 % are POSTed within 2.5 s of their"
    " acceptance, so they were woken and did not wait for the relay",
    short=True,
)
async def nothing_wrong(stage: Stage) -> str:
    async with stage.load() as load:
        await load.took(150)
    outcome = await come_to_rest(stage, doubts=False)
    assert {one.status for one in outcome.outgoing} == {"read"}
    waits = departures(stage, outcome.stored, await accepted_at(stage))
    late = f"POSTed after {p95(waits):.2f} s (p95), at most {max(waits):.2f} s"
    assert p95(waits) < PROMPT_SECONDS, f"violated: woken at once: {late}; the relay found them"
    return late


async def accepted_at(stage: Stage) -> dict[str, float]:
    """When each message to a customer was accepted (Unix seconds), by id."""
    async with stage.mongo() as client:
        found = client.get_default_database()["messages"].find(
            {"direction": "OUT"}, {"createdAt": True}
        )
        return {str(one["_id"]): one["createdAt"].timestamp() async for one in found}
