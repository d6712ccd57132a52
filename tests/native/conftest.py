"""What all tests of the native kernels share."""

from collections.abc import Iterator

import pytest

vivace_cpu = pytest.importorskip("vivace_cpu")


@pytest.fixture(params=vivace_cpu.levels())
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every instruction set that this processor has, in turn."""
    before = vivace_cpu.level()
    vivace_cpu.set_level(request.param)
    yield request.param
    vivace_cpu.set_level(before)
