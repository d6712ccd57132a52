"""`vivace config`: values, sources, and no key in the open."""

import json
from pathlib import Path

from tests.cli.conftest import Vivace
from vivace.settings import Settings


def test_each_setting_has_its_value_and_source(vivace: Vivace, tmp_path: Path) -> None:
    (tmp_path / "vivace.toml").write_text("max_batch = 4\n")
    shown = json.loads(vivace("config", "--json", VIVACE_PORT="9000").out)
    assert list(shown) == list(Settings.model_fields)
    assert shown["port"] == {"value": 9000, "source": "VIVACE_PORT"}
    assert shown["max_batch"] == {"value": 4, "source": "vivace.toml max_batch"}
    assert shown["host"] == {"value": "127.0.0.1", "source": "default"}


def test_the_table_has_the_same(vivace: Vivace) -> None:
    lines = vivace("config", VIVACE_PORT="9000").out.splitlines()
    assert ["port", "9000", "VIVACE_PORT"] in [line.split() for line in lines]
    assert ["served_name", "–", "default"] in [line.split() for line in lines]


def test_keys_are_masked_in_both(vivace: Vivace) -> None:
    for arguments in (["config"], ["config", "--json"]):
        shown = vivace(*arguments, VIVACE_API_KEY="sesame,open").out
        assert "sesame" not in shown
        assert shown.count("********") == 2
