"""Flags over VIVACE_* over vivace.toml over defaults, each with its source; mistakes in one sentence."""

import os
from pathlib import Path
from typing import Any

import pytest

from vivace.settings import Settings, SettingsError, flag_name, load


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no file of the machine reaches a test."""
    for name in [name for name in os.environ if name.startswith("VIVACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def test_defaults_come_from_nowhere_else() -> None:
    loaded = load()
    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {"default"}


def test_each_layer_covers_the_ones_below(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("vivace.toml").write_text('host = "0.0.0.0"\nport = 1\nmax_batch = 1\n')
    monkeypatch.setenv("VIVACE_PORT", "2")
    monkeypatch.setenv("VIVACE_MAX_BATCH", "2")
    loaded = load({"max_batch": "3"})
    assert (loaded.settings.host, loaded.settings.port, loaded.settings.max_batch) == ("0.0.0.0", 2, 3)
    assert loaded.sources["host"] == "vivace.toml host"
    assert loaded.sources["port"] == "VIVACE_PORT"
    assert loaded.sources["max_batch"] == "--max-batch"
    assert loaded.sources["drain_s"] == "default"


def test_the_users_folder_counts_only_without_a_local_file(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "vivace"
    folder.mkdir(parents=True)
    (folder / "vivace.toml").write_text("port = 1\n")
    assert load().settings.port == 1
    assert load().sources["port"] == f"{folder}/vivace.toml port"
    Path("vivace.toml").write_text("max_batch = 2\n")
    assert load().settings.port == 8000


@pytest.mark.parametrize(
    ("text", "keys"), [("one", ["one"]), ("one,two", ["one", "two"]), (" one , two ", ["one", "two"]), ("", [])]
)
def test_a_list_in_a_variable_is_split_at_commas(monkeypatch: pytest.MonkeyPatch, text: str, keys: list[str]) -> None:
    monkeypatch.setenv("VIVACE_API_KEY", text)
    assert load().settings.api_key == keys


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIVACE_PORT", "")
    monkeypatch.setenv("VIVACE_NOT_OURS", "")
    assert load().sources["port"] == "default"


def test_settings_made_in_code_ignore_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIVACE_PORT", "1")
    Path("vivace.toml").write_text("max_batch = 2\n")
    assert Settings() == Settings(port=8000, max_batch=0)


BAD_FLAGS: list[tuple[dict[str, Any], str]] = [
    ({"port": "abc"}, "--port: input should be a valid integer"),
    ({"port": "65536"}, "--port: input should be less than or equal to 65535 (it is '65536')."),
    ({"context": "15"}, "--context: input should be greater than or equal to 16"),
    ({"drain_s": "-1"}, "--drain-s: input should be greater than or equal to 0"),
    ({"drain_s": "nan"}, "--drain-s: input should be a finite number"),
    ({"stall_timeout_s": "inf"}, "--stall-timeout-s: input should be a finite number"),
    ({"log_level": "loud"}, "--log-level: input should be 'debug', 'info', 'warning' or 'error' (it is 'loud')."),
    ({"dtype": "int8"}, "--dtype: input should be 'auto'"),
    ({"model": ""}, "MODEL: string should have at least 1 character"),
]


@pytest.mark.parametrize(("flags", "start"), BAD_FLAGS)
def test_a_bad_flag_is_named(flags: dict[str, Any], start: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(flags)
    assert caught.value.message.startswith(start)
    assert caught.value.from_flag


BAD_FILES = [
    ('port = "x"', "vivace.toml port: input should be a valid integer"),
    ("prot = 1", "vivace.toml prot: there is no setting 'prot'; did you mean 'port'?"),
    ("[server]\nport = 1", "vivace.toml server: there is no setting 'server'"),
    ("port =", "vivace.toml cannot be read: "),
    ("api_key = [1]", "vivace.toml api_key: input should be a valid string"),
]


@pytest.mark.parametrize(("text", "start"), BAD_FILES)
def test_a_bad_file_is_named(text: str, start: str) -> None:
    Path("vivace.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load()
    assert caught.value.message.startswith(start)
    assert not caught.value.from_flag


def test_a_file_that_is_no_text_is_named() -> None:
    Path("vivace.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"^vivace\.toml cannot be read: "):
        load()


BAD_VARIABLES = [
    ("VIVACE_PORT", "tcp://10.0.0.1:80", "VIVACE_PORT: input should be a valid integer"),
    ("VIVACE_PROT", "1", "VIVACE_PROT: there is no setting 'prot'; did you mean 'port'?"),
    ("VIVACE_QQQQ", "1", "VIVACE_QQQQ: there is no setting 'qqqq'; `vivace config` lists them all."),
]


@pytest.mark.parametrize(("name", "value", "start"), BAD_VARIABLES)
def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, start: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert caught.value.message.startswith(start)


def test_a_bad_key_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIVACE_API_KEY", "secret-word,")
    with pytest.raises(SettingsError) as caught:
        load()
    assert caught.value.message.startswith("VIVACE_API_KEY: ")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("key", Settings.model_fields)
def test_every_setting_says_what_it_is(key: str) -> None:
    assert Settings.model_fields[key].description
    assert flag_name(key) == "MODEL" or flag_name(key).startswith("--")


def test_the_page_about_settings_has_each_as_it_is() -> None:
    page = (Path(__file__).parent.parent / "docs" / "settings.md").read_text().splitlines()
    for key, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "–" if default is None or default == [] else default
        assert f"| {key} | {shown} | `{flag_name(key)}` | {field.description} |" in page
