"""Finding the native kernels. Every case runs in its own process, most with a stand-in for the real package."""

import json
import os
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or mx.cuda.is_available(), reason="the kernels are for MLX's CPU build on Linux"
)

GOOD = """
    def set_threads(count): globals().update(count=count)
    def threads(): return count
    def level(): return "imagined"
    def levels(): return ["imagined", "portable"]
    def self_test(): return []
"""


def load(package: Path, init: str | None, **environment: str) -> tuple[Any, list[str]]:
    """`native.load(threads=3)`, twice, where `vivace_cpu/__init__.py` is `init` (None: not there): what came, and the
    lines of the log."""
    (package / "vivace_cpu").mkdir()
    code = textwrap.dedent(init) if init is not None else "raise ModuleNotFoundError('no such', name='vivace_cpu')"
    (package / "vivace_cpu" / "__init__.py").write_text(code)
    return python(
        """
        found = [native.load(threads=3), native.load(threads=3)]
        assert found[0] == found[1]
        result = found[0] and [found[0].level, found[0].threads, str(found[0])]
        """,
        PYTHONPATH=f"{package}:{os.environ.get('PYTHONPATH', '')}",
        **environment,
    )


def python(code: str, **environment: str) -> tuple[Any, list[str]]:
    script = "import json, logging\nfrom vivace.kernels import native\n" + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", script + "\nprint(json.dumps(result))"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "VIVACE_CPU_LEVEL": "", **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr.splitlines()


def test_a_good_package_is_used_with_the_threads_wished_for(tmp_path: Path) -> None:
    (level, threads, text), log = load(tmp_path, GOOD)
    assert (level, threads, log) == ("imagined", 3, [])
    assert text.endswith("imagined, 3 threads")


@pytest.mark.parametrize(
    ("init", "reason", "remedy"),
    [
        (None, "vivace-cpu is not installed", "make install"),
        ("raise ImportError('vivace-cpu was built for mlx 0.1')", "built for mlx 0.1", "make install"),
        ("raise OSError('undefined symbol: _ZN3mlx')", "undefined symbol", "make install"),
        ("import not_there_at_all", "not_there_at_all", "make install"),
        (
            GOOD + "    def self_test(): return ['norm: off by 0.3']",
            "wrongly here at imagined (norm: off",
            "(portable)",
        ),
        (GOOD + "    def self_test(): raise TypeError('array')", "array", "make install"),
        ("", "self_test", "make install"),
    ],
)
def test_anything_else_is_stock_mlx_and_one_warning(tmp_path: Path, init: str | None, reason: str, remedy: str) -> None:
    found, log = load(tmp_path, init)
    assert found is None
    assert len(log) == 1
    assert log[0].startswith("No CPU kernels: ")
    assert reason in log[0]
    assert remedy in log[0].partition("Remedy: ")[2]


def test_they_can_be_switched_off(tmp_path: Path) -> None:
    found, log = load(tmp_path, GOOD, VIVACE_CPU_LEVEL="off")
    assert (found, len(log)) == (None, 1)


class TestTheRealOne:
    @pytest.fixture(autouse=True)
    def _there(self) -> None:
        pytest.importorskip("vivace_cpu")

    def test_is_used(self) -> None:
        (level, levels, threads), log = python("""
            found = native.load()
            result = [found.level, found.ops.levels(), found.threads]
        """)
        assert log == []
        assert level == levels[0]
        assert threads >= 1

    def test_every_level_passes_the_self_test(self) -> None:
        import vivace_cpu

        before = vivace_cpu.level()
        try:
            for level in vivace_cpu.levels():
                vivace_cpu.set_level(level)
                assert vivace_cpu.self_test() == [], level
        finally:
            vivace_cpu.set_level(before)

    def test_the_self_test_sees_wrong_numbers_and_errors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from vivace_cpu import check

        monkeypatch.setattr(check, "CHECKS", [("a", lambda: 0.5, 1e-3), ("b", lambda: 1 / 0, 1e-3)])
        assert check.self_test() == ["a: off by 0.5", "b: ZeroDivisionError: division by zero"]
        monkeypatch.setattr(check, "CHECKS", [("nan", lambda: float("nan"), 1e-3)])
        assert check.self_test() == ["nan: off by nan"]

    @pytest.mark.parametrize("level", ["portable", "avx9000"])
    def test_the_environment_chooses_the_level(self, level: str) -> None:
        found, log = python("found = native.load(); result = found and found.level", VIVACE_CPU_LEVEL=level)
        assert found == (level if level == "portable" else None)
        assert len(log) == (0 if found else 1)
        assert found or ("avx9000" in log[0] and "leave cpu_level at auto" in log[0])

    def test_its_wheel_holds_python_files_and_the_extension(self) -> None:
        try:
            files = metadata.files("vivace-cpu") or []
        except metadata.PackageNotFoundError:
            pytest.skip("a developer's build")
        ours = [file for file in files if ".dist-info" not in str(file) and "__pycache__" not in str(file)]
        assert {file.parts[0] for file in ours} == {"vivace_cpu"}
        assert {file.suffix for file in ours} == {".py", ".so"}

    def test_another_mlx_is_refused_before_anything_is_loaded(self) -> None:
        (result, modules), _ = python("""
            import importlib.metadata, sys
            true = importlib.metadata.version
            importlib.metadata.version = lambda name: "0.1" if name == "mlx" else true(name)
            try:
                native.find()
            except native.NativeError as error:
                result = [str(error), "vivace_cpu._native" in sys.modules]
        """)
        assert "mlx 0.1 is installed" in result
        assert modules is False
