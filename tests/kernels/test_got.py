import ctypes
import sys

import mlx.core as mx
import pytest

from vivace.kernels import got

linux = pytest.mark.skipif(sys.platform != "linux", reason="ELF is Linux's format")


def header(*, bits: int = 2, order: int = 1, machine: int = 62) -> bytes:
    return b"\x7fELF" + bytes([bits, order]) + bytes(12) + machine.to_bytes(2, "little") + bytes(44)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"MZ\x90\x00" + bytes(60), "not a 64-bit little-endian ELF"),
        (header(bits=1), "not a 64-bit little-endian ELF"),
        (header(order=2), "not a 64-bit little-endian ELF"),
        (header(machine=243), "machine 243"),
        (header(machine=183), "no dynamic symbol table"),
        (header()[:40], "damaged"),
        (b"\x7fELF", "damaged"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_reason(image: bytes, reason: str) -> None:
    with pytest.raises(got.NotPatchableError, match=reason):
        got.imports_of(image, {"cblas_sgemm"})


def test_a_library_that_is_not_loaded_is_named() -> None:
    if sys.platform == "linux":
        with pytest.raises(got.NotPatchableError, match=r"libnothing\.so is not loaded"):
            got.slots("libnothing.so", {"f"})


@linux
def test_a_slot_can_be_redirected_and_its_page_keeps_its_protection() -> None:
    assert mx.array([1]).item() == 1  # libmlx is loaded
    (slot, *_) = got.slots("libmlx.so", {"cblas_dgemm"})
    before, protection = got.target(slot), _protection(slot.address)
    other = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value
    assert other is not None
    got.redirect(slot, other)
    try:
        assert got.target(slot) == other
        assert _protection(slot.address) == protection
        assert "libc" in (got.owner(got.target(slot)) or "")
    finally:
        got.redirect(slot, before)
    assert got.target(slot) == before


def _protection(address: int) -> str:
    return next(m.protection for m in got.mappings() if m.start <= address < m.end)
