"""`.env.example` documents every setting and, copied as it stands, changes next to nothing."""

import re
from pathlib import Path

import pytest

from manyline.settings import Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
LINE = re.compile(r"^(#?)([A-Z][A-Z_]+)=(.*)$", re.MULTILINE)
ONLY_EXAMPLES = {"APP_SECRET", "MASTER_KEY", "ADMIN_API_KEY", "MONGO_URI", "REDIS_HOST"} | {
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
    "REDIS_TLS_CA_FILE",
    "REDIS_SENTINELS",
    "REDIS_SENTINEL_MASTER",
    "REDIS_SENTINEL_USERNAME",
    "REDIS_SENTINEL_PASSWORD",
    "WORKER_METRICS_PORT",
}


def variables() -> dict[str, str]:
    """`{VARIABLE: field}` of every setting."""
    return {
        str(field.validation_alias or name).upper(): name
        for name, field in Settings.model_fields.items()
    }


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in variables():
        monkeypatch.delenv(name, raising=False)


def test_every_setting_is_documented_once_and_nothing_else() -> None:
    documented = [name for _, name, _ in LINE.findall(EXAMPLE.read_text())]
    assert sorted(documented) == sorted(variables())


def test_every_setting_has_words_above_it() -> None:
    for block in EXAMPLE.read_text().split("\n\n"):
        if LINE.search(block):
            assert block.startswith("# "), block


@pytest.mark.usefixtures("no_settings")
def test_copied_as_it_stands_only_the_verify_token_changes() -> None:
    plain = load_settings(_env_file=None).model_dump()
    copied = load_settings(_env_file=EXAMPLE).model_dump()
    assert copied.pop("verify_token").get_secret_value() == "local_verify_token_for_meta"
    plain.pop("verify_token")
    assert copied == plain


@pytest.mark.usefixtures("no_settings")
def test_the_defaults_it_shows_are_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = load_settings(_env_file=None)
    for _, name, value in LINE.findall(EXAMPLE.read_text()):
        if name not in ONLY_EXAMPLES | {"VERIFY_TOKEN"}:
            with monkeypatch.context() as one:
                one.setenv(name, value)
                assert load_settings(_env_file=None) == plain, name
