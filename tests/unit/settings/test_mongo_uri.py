"""A `MONGO_URI` that cannot be used is said so, and its password is not."""

import warnings

import pytest

from manyline.base.errors import SettingsError
from manyline.infra.mongo import open_mongo


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://user:s3c/ret@host/db",
        "mongodb://user:s3c@ret@host/db",
        "user:s3c-ret@host",
        "mongodb://user:s3c-ret@host:abc/db",
        "mongodb://user:12345/ret@host/",
        "mongodb://user:s3c%ret@host/",
        "mongodb://user:s3c?ret@host/",
        "mongodb://user:s3c-ret@/db",
        "mongodb+srv://user:s3c-ret@a,b/",
        "mongodb://user:s3c/ret=1@host/",
    ],
)
async def test_a_bad_uri_is_one_line_without_its_password(uri: str) -> None:
    with warnings.catch_warnings(), pytest.raises(SettingsError) as raised:
        warnings.simplefilter("ignore")
        open_mongo(uri, app_name="test")
    told = raised.value.detail
    assert told.startswith("MONGO_URI")
    assert "s3c" not in told
    assert "ret@" not in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("uri", "name"), [("mongodb://h", "pocdb"), ("mongodb://h/", "pocdb"), ("mongodb://h/x", "x")]
)
async def test_the_database_is_named_or_pocdb(uri: str, name: str) -> None:
    mongo = open_mongo(uri, app_name="test")
    assert mongo.database.name == name
    concern = mongo.database.write_concern.document
    assert concern["w"] == "majority"
    assert concern.get("j") is not False  # 60 times slower, measured.
    await mongo.close()
