"""The tenant-scope rule on small repositories."""

from pathlib import Path
from textwrap import dedent, indent

import pytest

from tools.lint.tenant_scope import check

SCOPED = """
self._messages.find_one({"tenantId": tenant_id, "_id": message_id})
---
self._messages.find({"tenantId": {"$in": tenant_ids}})
---
query = {"tenantId": tenant_id}
query["seq"] = 1
self._messages.find(query).sort("seq", -1)
---
query: Document = {"tenantId": tenant_id}
await self._messages.update_many(filter=query, update=change)
---
base = {"tenantId": tenant_id}
self._messages.delete_many({**base, "status": "queued"})
---
self._messages.delete_one({"_id": 1} | {"tenantId": tenant_id})
---
self._messages.count_documents({"tenantId": a} if a else {"tenantId": b, "x": 1})
---
branches = [{"tenantId": tenant_id, "x": 1} for tenant_id in tenants]
self._messages.find({"$or": branches})
---
self._messages.find({"$and": [{"x": 1}, {"tenantId": tenant_id}]})
---
self._messages.distinct("type", {"tenantId": tenant_id})
---
self._messages.aggregate([{"$match": {"tenantId": tenant_id}}, {"$group": {}}])
---
pipeline: list[Document] = [{"$match": {"tenantId": tenant_id}}]
self._messages.aggregate(pipeline)
---
self._messages.bulk_write([UpdateOne({"tenantId": t}, change) for t in tenants])
---
self._messages.find_one(_named(change))
---
# all tenants: the relay's scan.
self._messages.find({"dueAt": 1})
---
self._messages.insert_many(documents)
---
self.find(keys)
"""

UNSCOPED = """
self._messages.find_one({"_id": message_id})
---
self._messages.find()
---
self._messages.find({"tenantId": {"$exists": True}})
---
self._messages.find({"nested": {"tenantId": tenant_id}})
---
query = {"_id": message_id}
self._messages.find_one(query)
---
query = {"tenantId": tenant_id}
query = {"_id": message_id}
self._messages.find_one(query)
---
for query in queries:
    self._messages.find_one(query)
---
query, update = parts(), 1
self._messages.update_one(query, update)
---
self._messages.find_one(given)
---
self._messages.delete_many({"_id": 1} | extra)
---
self._messages.find_one({"tenantId": a} if a else {})
---
self._messages.find({"$or": [{"tenantId": tenant_id}, {"_id": 1}]})
---
self._messages.find({"$or": []})
---
self._messages.distinct("type", {"x": 1})
---
self._messages.aggregate([{"$group": {}}, {"$match": {"tenantId": tenant_id}}])
---
self._messages.bulk_write([UpdateOne({"_id": i}, change) for i in ids])
---
self._messages.bulk_write([pymongo.DeleteMany({"_id": i}) for i in ids])
---
self._messages.find_one(_unnamed(change))
---
self._messages.estimated_document_count()
---
# all tenants:
self._messages.find({"dueAt": 1})
"""

FUNCTIONS = """
def _named(change):
    query: Document = {"tenantId": change.tenant_id}
    if change.wamid:
        return {**query, "waMessageId": change.wamid}
    return query


def _unnamed(change):
    if change.wamid:
        return {"waMessageId": change.wamid}
    return {"tenantId": change.tenant_id}
"""


def cases(text: str) -> list[str]:
    return [case.strip() for case in text.split("---")]


def lines_found(body: str) -> list[int]:
    method = f"class R:\n    async def ask(self, given):\n{indent(body, ' ' * 8)}\n"
    return [finding.line for finding in check(Path("repository.py"), method + FUNCTIONS)]


@pytest.mark.parametrize("body", cases(SCOPED))
def test_a_query_that_names_its_tenant_passes(body: str) -> None:
    assert lines_found(body) == []


@pytest.mark.parametrize("body", cases(UNSCOPED))
def test_a_query_without_its_tenant_is_found(body: str) -> None:
    assert len(lines_found(body)) == 1


def test_the_exemption_covers_its_own_function_only() -> None:
    source = dedent("""
        class R:
            async def scan(self):
                # all tenants: the relay's scan.
                return self._messages.find({})

            async def leak(self):
                return self._messages.find({})
    """)
    (finding,) = check(Path("src/x/repository.py"), source)
    assert str(finding).startswith("src/x/repository.py:8: [tenant-scope] find does not name")


def test_functions_that_call_each_other_end_the_search() -> None:
    source = dedent("""
        def a(n):
            return b(n)

        def b(n):
            return a(n)

        def ask(things):
            things.find_one(a(1))
    """)
    assert len(list(check(Path("repository.py"), source))) == 1
