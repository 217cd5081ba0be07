"""The workflow of GitHub Actions: sound by its schema, safe by zizmor, on every Python we name."""

import re
import subprocess
import tomllib

import pytest
import yaml

from tests.containers.compose_file import ROOT
from tests.containers.tools import tool

WORKFLOW = ROOT / ".github/workflows/ci.yml"
CONTENT = yaml.safe_load(WORKFLOW.read_text())


@pytest.mark.parametrize(
    "schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"]
)
def test_its_schema_holds_and_every_job_has_an_end(schema: str) -> None:
    line = [tool("check-jsonschema"), "--builtin-schema", schema, WORKFLOW]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_nothing() -> None:
    line = [tool("zizmor"), "--offline", "--no-progress", "--persona", "pedantic", WORKFLOW]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_jobs_may_read_and_nothing_else() -> None:
    assert CONTENT["permissions"] == {}
    assert [job["permissions"] for job in CONTENT["jobs"].values()] == [{"contents": "read"}] * 3


def test_every_python_that_we_name_is_tested() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    tested = CONTENT["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert wanted == f">={tested[0]}"
    image = re.search(r"^ARG PYTHON=([\d.]+)-slim$", (ROOT / "Dockerfile").read_text(), re.M)
    assert image is not None
    assert image[1] == tested[-1]


def test_production_is_restarted_where_a_restart_could_fail() -> None:
    """MongoDB's command prepares a file; only the same container shows that it can do so again."""
    steps = [step.get("run", "") for step in CONTENT["jobs"]["images"]["steps"]]
    production = next(one for one in steps if "compose.prod.yaml up" in one)
    restart = production.index("compose.prod.yaml restart mongo")
    assert restart < production.rindex("--wait --wait-timeout") < production.index("down --volumes")


def test_it_runs_what_a_developer_runs() -> None:
    steps = [step.get("run", "") for job in CONTENT["jobs"].values() for step in job["steps"]]
    assert {"make lint", "make test"} <= set(steps)
    for script in re.findall(r"\bdocker/\S+\.sh", "\n".join(steps)):
        assert (ROOT / script).stat().st_mode & 0o111, f"{script} cannot be run"
