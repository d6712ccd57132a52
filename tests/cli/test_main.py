"""The command line as a whole: quick, lazy, and without tracebacks."""

import json
import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Vivace
from vivace import __version__
from vivace.cli import VERBS
from vivace.settings import Settings, flag_name


def test_help_answers_in_under_300_ms() -> None:
    def processor_s() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def once() -> float:
        before = processor_s()
        subprocess.run([sys.executable, "-m", "vivace.cli", "--help"], check=True, capture_output=True)
        return processor_s() - before

    # It waits for nothing, so on an idle machine this is the wall clock; on a busy one only this is about us.
    assert min(once() for _ in range(5)) < 0.3


def test_help_lists_every_verb(vivace: Vivace) -> None:
    shown = vivace("--help")
    assert shown.exit_code == 0
    assert all(f" {verb} " in shown.out and line in shown.out for verb, line in VERBS.items())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(vivace: Vivace, verb: str) -> None:
    shown = vivace(verb, "--help")
    assert shown.exit_code == 0
    assert f"Usage: vivace {verb}" in shown.out


def test_there_is_a_file_for_every_verb() -> None:
    import vivace.cli

    assert all((Path(vivace.cli.__file__).parent / f"{verb}.py").is_file() for verb in VERBS)


def test_serve_has_a_flag_for_every_setting(vivace: Vivace) -> None:
    shown = vivace("serve", "--help").out
    assert all(flag_name(key) in shown for key in Settings.model_fields)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("serv",), "Did you mean 'serve'?"),
        (("serve", "--prot", "1"), "No such option: --prot"),
        (("serve", "--port", "abc"), "vivace: --port: input should be a valid integer"),
        (("serve", "--drain-s", "-1"), "vivace: --drain-s: input should be greater than or equal to 0"),
        (("parse",), "vivace: --dialect is missing; there are "),
        (("chat",), "vivace: There is no question: stdin is empty."),
        (("chat", "--temperature", "3", "x"), "temperature"),
    ],
)
def test_a_wrong_command_line_is_explained(vivace: Vivace, arguments: tuple[str, ...], complaint: str) -> None:
    outcome = vivace(*arguments)
    assert outcome.exit_code == 2
    assert complaint in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "variables", "complaint"),
    [
        (("serve", "no-such-model"), {}, "vivace: There is no model 'no-such-model'"),
        (("serve", "org/not-here"), {}, "vivace: 'org/not-here' is not in "),
        (("serve", "."), {}, "config.json is missing"),
        (("serve", "--tool-dialect", "klingon"), {}, "vivace: --tool-dialect: there is no dialect 'klingon'"),
        (("serve",), {"VIVACE_PORT": "x"}, "vivace: VIVACE_PORT: input should be a valid integer"),
        (("serve", "--host", "203.0.113.1"), {}, "vivace: cannot listen on 203.0.113.1"),
        (("config",), {"VIVACE_PROT": "1"}, "vivace: VIVACE_PROT: there is no setting 'prot'"),
        (("info", "no-such-model"), {}, "vivace: There is no model 'no-such-model'"),
        (("chat", "--url", "http://127.0.0.1:9", "hello"), {}, "vivace: http://127.0.0.1:9 does not answer"),
        (("chat", "org/not-here", "hello"), {"VIVACE_PORT": "9"}, "vivace: 'org/not-here' is not in "),
    ],
)
def test_what_was_foreseeable_is_one_sentence(
    vivace: Vivace, arguments: tuple[str, ...], variables: dict[str, str], complaint: str
) -> None:
    outcome = vivace(*arguments, **variables)
    assert outcome.exit_code == 1
    assert complaint in outcome.err
    assert "Traceback" not in outcome.err


def test_version(vivace: Vivace) -> None:
    versions = json.loads(vivace("version", "--json").out)
    assert versions["vivace"] == __version__
    assert versions["python"] == platform.python_version()
    assert versions["mlx-lm"] == "0.32.2"
    assert vivace("version").out.startswith(f"vivace {__version__}\n")
