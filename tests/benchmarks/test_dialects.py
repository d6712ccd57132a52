"""Reading a call costs the same per character, however long it is."""

import pytest

from benchmarks.dialects import seconds
from tests.chat.dialects.families import FAMILIES


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("as_tokens", [False, True])
def test_the_cost_is_linear(family: str, as_tokens: bool) -> None:
    small, large = (min(seconds(family, size, as_tokens) for _ in range(3)) for size in (4_096, 32_768))
    assert large / small < 16  # 8 if it were measured exactly, 64 if it were quadratic
    assert large < 0.5
