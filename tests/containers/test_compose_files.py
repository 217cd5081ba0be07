"""What the Compose files promise, read off the files; nothing is started."""

import re
import shutil
import subprocess

import pytest
import yaml

from manyline.settings import Settings, load_settings
from tests.containers.compose_file import ROOT, ComposeFile, MissingVariableError
from tests.containers.tools import tool

FILES = ("compose.yaml", "compose.prod.yaml")
OURS = ("app", "worker")


def setting_names() -> set[str]:
    """Every setting, as it is named in an environment."""
    return {
        str(field.validation_alias or name).upper() for name, field in Settings.model_fields.items()
    }


@pytest.mark.parametrize("name", FILES)
def test_the_schema_of_compose_files_holds(name: str) -> None:
    done = subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", ROOT / name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def compose_command() -> list[str]:
    """Docker's own program for these files; it needs no engine to read them."""
    plugin = ["docker", "compose"]
    if shutil.which("docker"):
        asked = subprocess.run([*plugin, "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return plugin
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("neither `docker compose` nor docker-compose is installed to read the files")


@pytest.mark.parametrize("name", FILES)
def test_docker_reads_them_as_these_tests_do(name: str, secrets: dict[str, str]) -> None:
    given = secrets if "prod" in name else {}
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"}
    # The shell wins over .env, so a developer's own .env makes no difference here.
    unset = {key: "" for key in {*secrets, "PORT", "PUBLISH"} if key not in given}
    done = subprocess.run(
        [*compose_command(), "--project-directory", ROOT, "-f", ROOT / name, "config"],
        env=path | unset | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)["services"]
    ours = ComposeFile(name, {**unset, **given})
    shown = {key for key, service in ours.services.items() if "profiles" not in service.definition}
    assert shown <= read.keys() <= ours.services.keys()
    for key, service in read.items():
        assert list(ours.services[key].command) == (service.get("command") or [])
        environment = service.get("environment", {})
        for variable, value in ours.services[key].environment.items():
            assert environment[variable] == value, (key, variable)


def test_compose_up_has_the_services_and_ports_of_the_table(development: ComposeFile) -> None:
    ports = {name: service.ports for name, service in development.services.items()}
    assert ports == {
        "app": ["127.0.0.1:3000:3000"],
        "worker": [],
        "mongo": ["127.0.0.1:27017:27017"],
        "mongo-express": ["127.0.0.1:8081:8081"],
        "redis": ["127.0.0.1:6379:6379"],
        "bull-board": ["127.0.0.1:3001:3001"],
    }
    assert development.services["app"].definition["container_name"] == "poc_app"
    assert development.services["bull-board"].definition["profiles"] == ["bull-board"]
    login = development.services["mongo-express"].environment
    assert login["ME_CONFIG_BASICAUTH"] == "true"
    assert login["ME_CONFIG_BASICAUTH_USERNAME"] == "admin"
    assert login["ME_CONFIG_BASICAUTH_PASSWORD"] == "pass"


def test_the_port_can_be_chosen() -> None:
    chosen = ComposeFile("compose.yaml", {"PORT": "3005"}).services["app"]
    assert chosen.ports == ["127.0.0.1:3005:3000"]
    assert chosen.environment["PORT"] == "3000"


def test_down_v_forgets_everything(development: ComposeFile) -> None:
    """All that is kept is in volumes with names, and the source is mounted to be read only."""
    named = set(development.content["volumes"])
    used = set()
    for name, service in development.services.items():
        for volume in service.definition.get("volumes", []):
            source, target = volume.split(":")[:2]
            if source.startswith("."):
                assert volume.endswith(":ro"), (name, volume)
                assert (ROOT / source).exists()
            else:
                used.add(source)
                assert target.startswith(("/data", "/var/lib/manyline"))
    assert used == named


@pytest.mark.parametrize("role", OURS)
def test_source_is_mounted_where_the_image_has_it(development: ComposeFile, role: str) -> None:
    service = development.services[role]
    assert "./src:/app/src:ro" in service.definition["volumes"]
    assert service.definition["build"]["target"] == "development"
    assert service.command[-1] == "--reload"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("role", OURS)
def test_every_setting_can_be_set(name: str, role: str) -> None:
    """A setting that is missing there could not be changed in a container at all."""
    written = yaml.safe_load((ROOT / name).read_text())["services"][role]["environment"]
    # Production needs no leave to listen on every address.
    not_needed = {"ALLOW_OPEN_BIND"} if "prod" in name else set()
    # The API serves its own metrics.
    not_needed |= {"WORKER_METRICS_PORT"} if role == "app" else set()
    assert setting_names() - written.keys() == not_needed


def test_the_settings_of_development_are_good(
    development: ComposeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(development, "app", monkeypatch)
    assert (settings.host, settings.port, settings.in_production) == ("0.0.0.0", 3000, False)
    assert settings.redis_password is None


@pytest.mark.parametrize("role", OURS)
def test_the_settings_of_production_are_good(
    production: ComposeFile, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(production, role, monkeypatch)
    assert settings.in_production
    assert settings.admin_api_key is not None


def settings_of(file: ComposeFile, role: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)
    for name, value in file.services[role].environment.items():
        monkeypatch.setenv(name, value)
    return load_settings(_env_file=None)


def test_production_publishes_one_port_and_no_database(production: ComposeFile) -> None:
    assert {name: one.ports for name, one in production.services.items() if one.ports} == {
        "proxy": ["127.0.0.1:3000:8080"]
    }
    assert "mongo-express" not in production.services
    networks = {name: one.definition["networks"] for name, one in production.services.items()}
    assert [name for name, where in networks.items() if where == ["inside"]] == ["mongo", "redis"]
    assert production.content["networks"]["inside"] == {"internal": True}
    assert "inside" not in networks["proxy"]


@pytest.mark.parametrize("role", OURS)
def test_production_runs_replicas_that_can_do_little_harm(
    production: ComposeFile, role: str
) -> None:
    service = production.services[role].definition
    assert service["deploy"]["replicas"] == 2
    assert "container_name" not in service  # two containers cannot share one
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["build"]["target"] == "production"
    assert not service.get("volumes")


@pytest.mark.parametrize("left_out", ["APP_SECRET", "MASTER_KEY", "MONGO_PASSWORD"])
def test_production_names_a_secret_that_is_missing(left_out: str, secrets: dict[str, str]) -> None:
    for given in (secrets | {left_out: ""}, {k: v for k, v in secrets.items() if k != left_out}):
        with pytest.raises(MissingVariableError, match=f"^{left_out} is not set; "):
            ComposeFile("compose.prod.yaml", given)


def test_production_asks_for_every_secret(secrets: dict[str, str]) -> None:
    text = (ROOT / "compose.prod.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+):\?\1 is not set; ", text)) == set(secrets)
    assert set(re.findall(r"\$\{(\w+)", text)) == {*secrets, "PUBLISH"}
    assert not any(value in text for value in secrets.values())


@pytest.mark.parametrize("name", FILES)
def test_images_of_others_have_a_version_and_no_host(name: str) -> None:
    services = yaml.safe_load((ROOT / name).read_text())["services"]
    for service in services.values():
        if "build" not in service:
            assert re.fullmatch(r"[a-z-]+(/[a-z-]+)?:\d[\w.-]*", service["image"]), service


@pytest.mark.parametrize("name", FILES)
def test_the_stores_are_what_the_product_needs(name: str, secrets: dict[str, str]) -> None:
    file = ComposeFile(name, secrets)
    redis = " ".join(file.services["redis"].command)
    assert "--appendonly yes" in redis
    assert "--maxmemory-policy noeviction" in redis
    assert "--replSet rs0" in " ".join(file.services["mongo"].command)
    for role in OURS:
        waits = file.services[role].definition["depends_on"]
        assert waits == {
            "mongo": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
        }
