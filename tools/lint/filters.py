"""Whether an expression is a MongoDB filter that names its tenant.

Followed are dict literals, names that the same function binds to them, functions of the same
module that return them, `|`, `a if b else c`, and the operators `$and` and `$or`.
"""

import ast
from collections.abc import Callable, Iterator

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Check = Callable[[ast.expr | None, FunctionNode | None], bool]
EQUALS = frozenset({"$eq", "$in"})


class Filters:
    """Answers for expressions of one module."""

    def __init__(self, module: ast.Module) -> None:
        self._functions = {
            node.name: node for node in module.body if isinstance(node, FunctionNode)
        }
        self._under_way: set[tuple[str, str]] = set()

    def names_tenant(self, node: ast.expr | None, within: FunctionNode | None) -> bool:
        """Whether every document that this filter can match belongs to a tenant it names."""
        match node:
            case ast.Dict():
                return self._dict_names_tenant(node, within)
            case ast.Name():
                return self._every_binding(node.id, within, self.names_tenant)
            case ast.Call(func=ast.Name(id=name)):
                return self._every_return(name, self.names_tenant)
            case ast.BinOp(op=ast.BitOr()):
                return self.names_tenant(node.left, within) or self.names_tenant(node.right, within)
            case ast.IfExp():
                return self.names_tenant(node.body, within) and self.names_tenant(
                    node.orelse, within
                )
            case _:
                return False

    def pipeline_names_tenant(self, node: ast.expr | None, within: FunctionNode | None) -> bool:
        """Whether the first stage of an aggregation is a `$match` that names its tenant."""
        match node:
            case ast.List(elts=[ast.Dict(keys=[ast.Constant(value="$match")]) as stage, *_]):
                return self.names_tenant(stage.values[0], within)
            case ast.Name():
                return self._every_binding(node.id, within, self.pipeline_names_tenant)
            case ast.Call(func=ast.Name(id=name)):
                return self._every_return(name, self.pipeline_names_tenant)
            case _:
                return False

    def _dict_names_tenant(self, node: ast.Dict, within: FunctionNode | None) -> bool:
        for key, value in zip(node.keys, node.values, strict=True):
            match key:
                case None:
                    found = self.names_tenant(value, within)
                case ast.Constant(value="tenantId"):
                    found = _is_one_value(value)
                case ast.Constant(value="$and"):
                    found = any(self.names_tenant(one, within) for one in _elements(value))
                case ast.Constant(value="$or"):
                    found = self._every_branch(value, within)
                case _:
                    found = False
            if found:
                return True
        return False

    def _every_branch(self, node: ast.expr | None, within: FunctionNode | None) -> bool:
        match node:
            case ast.List(elts=[_, *_]):
                return all(self.names_tenant(one, within) for one in node.elts)
            case ast.ListComp():
                return self.names_tenant(node.elt, within)
            case ast.Name():
                return self._every_binding(node.id, within, self._every_branch)
            case _:
                return False

    def _every_binding(self, name: str, within: FunctionNode | None, check: Check) -> bool:
        """Whether the function binds the name, and only to what passes `check`."""
        mark = (within.name if within else "", name)
        if within is None or mark in self._under_way:
            return False
        self._under_way.add(mark)
        try:
            values = list(_bound_values(within, name))
            return bool(values) and all(check(value, within) for value in values)
        finally:
            self._under_way.discard(mark)

    def _every_return(self, name: str, check: Check) -> bool:
        """Whether that function of this module returns only what passes `check`."""
        function = self._functions.get(name)
        mark = (name, "return")
        if function is None or mark in self._under_way:
            return False
        self._under_way.add(mark)
        try:
            returned = [node.value for node in _own(function) if isinstance(node, ast.Return)]
            return bool(returned) and all(check(value, function) for value in returned)
        finally:
            self._under_way.discard(mark)


def _is_one_value(node: ast.expr) -> bool:
    """A tenant's id, or `$eq` and `$in` of them; not `$exists`, `$ne`, `$gt`."""
    if not isinstance(node, ast.Dict):
        return True
    return all(isinstance(key, ast.Constant) and key.value in EQUALS for key in node.keys)


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.List) else []


def _bound_values(function: FunctionNode, name: str) -> Iterator[ast.expr | None]:
    """What `name = …` and `name: T = …` bind it to; None for a binding that cannot be followed."""
    for node in _own(function):
        match node:
            case ast.Assign(targets=targets):
                if any(_is_name(target, name) for target in targets):
                    yield node.value
                elif any(_is_name(part, name) for target in targets for part in ast.walk(target)):
                    yield None
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                if _is_name(target, name):
                    yield value
            case ast.For(target=target) | ast.AsyncFor(target=target):
                if any(_is_name(part, name) for part in ast.walk(target)):
                    yield None


def _is_name(node: ast.AST, name: str) -> bool:
    """Bound, not merely read: `query["seq"] = …` leaves what `query` names."""
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)


def _own(function: FunctionNode) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, FunctionNode | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
