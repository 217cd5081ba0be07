"""Profiles: whose time it was, and a flame graph that any XML reader takes."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import flame
from bench.profile_tables import render
from bench.profiles import NOT_OURS, Profile, read

SITE = "/x/.venv/lib/python3.11/site-packages"
FRAMES = [
    {"name": "serve", "file": "/x/src/manyline/entry/api/server.py"},
    {"name": "insert", "file": "/x/src/manyline/messages/repository.py"},
    {"name": "_insert_many", "file": f"{SITE}/pymongo/collection.py"},
    {"name": "run_once", "file": "/usr/lib/python3.11/asyncio/base_events.py"},
]


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    file = tmp_path / "profile.json"
    samples = [[0, 1, 2], [0, 1, 2], [0, 1], [0, 3], []]
    body = {"shared": {"frames": FRAMES}, "profiles": [{"samples": samples}]}
    file.write_text(json.dumps(body))
    return read("api", file, us_per_message=400.0)


def test_a_librarys_time_is_that_of_the_part_that_called_it(profile: Profile) -> None:
    assert profile.samples == 4
    assert profile.us(1) == 100
    assert profile.by_part() == {"manyline.messages.repository": 3, NOT_OURS: 1}
    assert profile.by_package() == {"pymongo": 2, "manyline.messages": 1, "python": 1}


def test_callers_count_what_their_callees_took(profile: Profile) -> None:
    by_name = {frame.name: seen for frame, seen in profile.with_callees().items()}
    assert by_name == {"serve": 4, "insert": 3, "_insert_many": 2, "run_once": 1}


def test_the_tables_leave_out_what_is_in_every_stack(profile: Profile) -> None:
    told = render(profile)
    assert "300.0" in told
    assert "manyline/entry/api/server.py" not in told


def test_the_flame_graph_has_a_box_for_each_call_as_wide_as_its_time(profile: Profile) -> None:
    root = ElementTree.fromstring(flame.draw(profile))
    boxes = {}
    for group in root.findall("{*}g"):
        title, rectangle = group.find("{*}title"), group.find("{*}rect")
        assert title is not None
        assert title.text is not None
        assert rectangle is not None
        boxes[title.text.split(" ")[0]] = float(rectangle.attrib["width"])
    assert boxes == {"serve": 1400, "insert": 1050, "_insert_many": 700, "run_once": 350}
