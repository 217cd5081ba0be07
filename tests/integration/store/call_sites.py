"""Which calls of MongoDB's driver stand in the product's code, and which of them were made."""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.collection import AsyncCollection

PRODUCT = Path(__file__).parents[3] / "src/manyline"
METHODS = (
    *("find", "find_one", "count_documents", "aggregate", "insert_one", "insert_many"),
    *("find_one_and_update", "find_one_and_replace", "find_one_and_delete", "bulk_write"),
    *("update_one", "update_many", "delete_one", "delete_many"),
)
# What the product's classes call the collections that they hold.
RECEIVERS = frozenset(
    {
        *("_messages", "_customers", "_conversations", "_tenants", "_parked", "_records"),
        *("_quarantine", "_events", "_leases", "_heartbeats", "messages"),
    }
)

Site = tuple[str, str]
"""A module's path within the product, and the call as it stands there."""
Calls = list[tuple[str, ast.Call]]


def call_sites() -> set[Site]:
    """Every call of the driver in the product's code."""
    return {(module, ast.unparse(node)) for module, node in _calls()}


@contextmanager
def made_calls() -> Iterator[set[Site]]:
    """While it is open, the product's calls of the driver are written into the set."""
    made: set[Site] = set()
    calls = _calls()
    with pytest.MonkeyPatch.context() as patch:
        for method in METHODS:
            noting = _noting(getattr(AsyncCollection, method), made, calls)
            patch.setattr(AsyncCollection, method, noting)
        yield made


def _calls() -> Calls:
    return [
        (str(path.relative_to(PRODUCT)), node)
        for path in sorted(PRODUCT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _is_of_driver(node.func)
    ]


def _is_of_driver(called: ast.expr) -> bool:
    match called:
        case ast.Attribute(attr=method, value=ast.Attribute(attr=receiver) | ast.Name(id=receiver)):
            return method in METHODS and receiver in RECEIVERS
        case ast.Attribute(attr=method, value=ast.Call(func=ast.Name(id="writing"))):
            return method in METHODS
        case ast.Attribute(attr=method, value=ast.Subscript(value=ast.Name(id="database"))):
            return method in METHODS
        case _:
            return False


def _noting(called: Any, made: set[Site], calls: Calls) -> Any:
    def noted(*given: Any, **named: Any) -> Any:
        caller = sys._getframe(1)
        path = Path(caller.f_code.co_filename)
        if path.is_relative_to(PRODUCT):
            made.add(_site(str(path.relative_to(PRODUCT)), caller.f_lineno, called, calls))
        return called(*given, **named)

    return noted


def _site(module: str, line: int, called: Any, calls: Calls) -> Site:
    """The shortest call of this method that holds the line; by its line if none is known."""
    holding = [
        (node.end_lineno - node.lineno, ast.unparse(node))
        for where, node in calls
        if where == module and node.end_lineno and node.lineno <= line <= node.end_lineno
        if isinstance(node.func, ast.Attribute) and node.func.attr == called.__name__
    ]
    return module, min(holding)[1] if holding else f"{called.__name__} in line {line}"
