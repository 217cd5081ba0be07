"""A Compose file as Docker reads it: anchors resolved, `${…}` filled in from an environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<how>:?[-?])(?P<other>[^}]*))?\})"
)


class MissingVariableError(Exception):
    """`${NAME:?what to do}` without NAME; the text is what Docker prints."""


def fill_in(value: Any, environment: Mapping[str, str]) -> Any:
    """Every string in `value` with its references replaced; the rules of the Compose file."""
    if isinstance(value, dict):
        return {key: fill_in(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [fill_in(item, environment) for item in value]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        given = environment.get(match["plain"] or match["name"])
        how = match["how"] or ""
        if given is not None and (given or not how.startswith(":")):
            return given
        if how.endswith("?"):
            raise MissingVariableError(match["other"])
        return match["other"] if how.endswith("-") else ""

    return REFERENCE.sub(replaced, value)


@dataclass(frozen=True)
class Service:
    """One service; `environment` as the container gets it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    definition: Mapping[str, Any]

    @property
    def health(self) -> tuple[str, ...]:
        """The health check's command line, without the leading CMD."""
        kind, *line = self.definition["healthcheck"]["test"]
        assert kind == "CMD", kind
        return tuple(line)

    @property
    def ports(self) -> list[str]:
        return list(self.definition.get("ports", []))


class ComposeFile:
    """`compose.yaml` or another file of the repository, as the given environment makes it."""

    def __init__(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        self.path = ROOT / name
        self.written = yaml.safe_load(self.path.read_text())
        given = environment or {}
        self.content = fill_in(self.written, given)
        self.services = {
            name: _service(name, definition, given)
            for name, definition in self.content["services"].items()
        }


def _service(name: str, definition: dict[str, Any], given: Mapping[str, str]) -> Service:
    environment = {
        key: given[key] if value is None else value
        for key, value in definition.get("environment", {}).items()
        if value is not None or key in given
    }
    return Service(name, tuple(definition.get("command", ())), environment, definition)
