from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.cache.ssd.builders import open_tier
from vivace.engine.cache.ssd import SsdTier

Opener = Callable[..., SsdTier]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens tiers in one folder, and closes them in the end."""
    tiers: list[SsdTier] = []

    def opener(**options: object) -> SsdTier:
        tiers.append(open_tier(tmp_path / "cache", **options))  # type: ignore[arg-type]
        return tiers[-1]

    yield opener
    for tier in tiers:
        tier.close()


@pytest.fixture
def tier(opened: Opener) -> SsdTier:
    return opened()
