"""What `up` says when everything answers: where to go from here."""

from manyline.entry.cli.plan import Plan
from manyline.entry.cli.terminal import Terminal


def announce(plan: Plan, terminal: Terminal, seconds: float) -> None:
    """The ready line first, alone on its line: others wait for it."""
    terminal.say(f"Manyline is ready on {plan.url}")
    terminal.step("docs", f"{plan.url}/docs")
    if plan.simulator_port is not None:
        terminal.step("simulator", plan.simulator_url)
        _how_to_play(plan, terminal)
    if plan.reload:
        from manyline.entry.cli.sources import source_root  # noqa: PLC0415

        terminal.step("reload", f"api and worker start anew when {source_root()} changes")
    terminal.step("logs", str(plan.directory.logs))
    terminal.step("started", f"in {seconds:.1f} s; Ctrl-C stops everything")


def _how_to_play(plan: Plan, terminal: Terminal) -> None:
    if plan.made_secret:
        terminal.step("", "APP_SECRET is not set, so one was made for this simulator: webhooks are")
        terminal.step("", "signed with it, and unsigned ones (plain curl) are refused with 401.")
    order = '{"phone_number_id": "111111111111111", "from": "919111111111", "text": "hi"}'
    terminal.step("", "Play a customer of a registered tenant:")
    terminal.step("", f"curl {plan.simulator_url}/_sim/inbound -d '{order}'")
