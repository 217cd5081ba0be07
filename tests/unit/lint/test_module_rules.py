"""The rules on where the driver may be imported, and on names of modules."""

from pathlib import Path

import pytest

from tools.lint import driver_placement, module_names
from tools.lint.__main__ import findings


@pytest.mark.parametrize(
    "line",
    [
        "import pymongo",
        "from pymongo.errors import PyMongoError",
        "import json, gridfs",
        "def late():\n    from pymongo import MongoClient",
    ],
)
def test_the_driver_is_found_outside_its_places(line: str) -> None:
    path = Path("src/manyline/entry/api/app.py")
    assert [one.rule for one in driver_placement.check(path, line)] == ["driver-placement"]


@pytest.mark.parametrize(
    "path",
    [
        "src/manyline/infra/mongo.py",
        "src/manyline/infra/embedded/x.py",
        "src/manyline/a/repository.py",
    ],
)
def test_the_driver_is_at_home_in_infra_and_repositories(path: str) -> None:
    assert not list(driver_placement.check(Path(path), "import pymongo"))


def test_bson_is_at_home_everywhere() -> None:
    path = Path("src/manyline/messages/models.py")
    assert not list(driver_placement.check(path, "from bson import ObjectId\nimport bson"))


@pytest.mark.parametrize(
    "path", ["src/manyline/utils.py", "src/manyline/common/x.py", "src/m/queue_manager.py"]
)
def test_a_name_that_says_nothing_is_found(path: str) -> None:
    assert len(list(module_names.check(Path(path), ""))) == 1


@pytest.mark.parametrize("path", ["src/manyline/uncommon.py", "src/manyline/messages/states.py"])
def test_a_name_that_says_something_passes(path: str) -> None:
    assert not list(module_names.check(Path(path), ""))


def test_the_whole_tree_is_searched(tmp_path: Path) -> None:
    repository = tmp_path / "src/manyline/messages/repository.py"
    repository.parent.mkdir(parents=True)
    repository.write_text("def all(c):\n    return c.find({})\n")
    (tmp_path / "src/manyline/messages/service.py").write_text("import pymongo\n")
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/helpers.py").write_text("")
    assert sorted(one.rule for one in findings(tmp_path)) == [
        "driver-placement",
        "module-names",
        "tenant-scope",
    ]
