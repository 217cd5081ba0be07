"""Every query of a repository names its tenant, or says in a comment why it is for all of them.

A query without its tenant shows one tenant's data to another, and no index begins with what it
asks for.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tools.lint.filters import Filters, FunctionNode
from tools.lint.finding import Finding

RULE = "tenant-scope"
BY_FILTER = frozenset(
    {
        "find",
        "find_one",
        "find_one_and_update",
        "find_one_and_replace",
        "find_one_and_delete",
        "find_raw_batches",
        "update_one",
        "update_many",
        "replace_one",
        "delete_one",
        "delete_many",
        "count_documents",
    }
)
OPERATIONS = frozenset({"UpdateOne", "UpdateMany", "ReplaceOne", "DeleteOne", "DeleteMany"})
BY_PIPELINE = frozenset({"aggregate", "aggregate_raw_batches"})
NEVER_SCOPED = frozenset({"estimated_document_count", "drop", "watch"})
EXEMPTION = re.compile(r"#\s*all tenants: *\S")


def check(path: Path, source: str) -> Iterator[Finding]:
    """Findings in one repository module."""
    module = ast.parse(source)
    filters = Filters(module)
    exempt = {
        number for number, line in enumerate(source.splitlines(), 1) if EXEMPTION.search(line)
    }
    for call, functions in _calls(module, ()):
        within = functions[-1] if functions else None
        if _is_scoped(call, filters, within) or any(_covers(one, exempt) for one in functions):
            continue
        yield Finding(
            path,
            call.lineno,
            RULE,
            f"{_name(call)} does not name `tenantId` in its filter; add it, or write"
            " `# all tenants: <reason>` in the function",
        )


def _is_scoped(call: ast.Call, filters: Filters, within: FunctionNode | None) -> bool:
    """True as well for calls that are no query at all."""
    match call.func:
        case ast.Name(id=name) if name in OPERATIONS:
            pass
        case ast.Attribute(value=ast.Name(id="self")):
            return True
        case ast.Attribute(attr=name):
            pass
        case _:
            return True
    if name in BY_FILTER | OPERATIONS:
        return filters.names_tenant(_argument(call, 0, "filter"), within)
    if name == "distinct":
        return filters.names_tenant(_argument(call, 1, "filter"), within)
    if name in BY_PIPELINE:
        return filters.pipeline_names_tenant(_argument(call, 0, "pipeline"), within)
    return name not in NEVER_SCOPED


def _argument(call: ast.Call, position: int, keyword: str) -> ast.expr | None:
    if len(call.args) > position:
        return call.args[position]
    return next((one.value for one in call.keywords if one.arg == keyword), None)


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


def _calls(
    node: ast.AST, functions: tuple[FunctionNode, ...]
) -> Iterator[tuple[ast.Call, tuple[FunctionNode, ...]]]:
    """Every call with the functions around it, the innermost last."""
    if isinstance(node, FunctionNode):
        functions = (*functions, node)
    if isinstance(node, ast.Call):
        yield node, functions
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, functions)


def _covers(function: FunctionNode, lines: set[int]) -> bool:
    return any(function.lineno <= line <= (function.end_lineno or 0) for line in lines)
