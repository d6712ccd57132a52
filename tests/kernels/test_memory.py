import sys

from vivace.kernels.memory import keep_freed_memory


def test_glibc_takes_it_and_other_systems_are_left_alone(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    if sys.platform == "linux":
        assert keep_freed_memory(1 << 28)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
