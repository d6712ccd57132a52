"""Find and rewrite the slots through which a loaded ELF library calls functions of another one.

A position-independent library calls an imported function through a pointer in its global offset table (GOT),
which the dynamic linker fills at load. Writing another address there redirects the call for the whole process.
The layout is that of the System V ABI: program headers, dynamic section, relocations with addend.
"""

import ctypes
import mmap
import os
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_PLTRELSZ, _DT_STRTAB, _DT_SYMTAB, _DT_RELA, _DT_RELASZ, _DT_JMPREL = 2, 5, 6, 7, 8, 23
_RELA_BYTES, _SYMBOL_BYTES, _DYN_BYTES = 24, 24, 16
# e_machine → the relocations that store a plain address: GLOB_DAT, JUMP_SLOT, 64-bit absolute.
_ADDRESS_RELOCATIONS = {62: {6, 7, 1}, 183: {1025, 1026, 257}}


class NotPatchableError(RuntimeError):
    """The library or the system is not of the kind that this module understands; the message says why."""


@dataclass(frozen=True)
class Mapping:
    """One line of /proc/self/maps that belongs to a file."""

    start: int
    end: int
    protection: str
    offset: int
    path: str


@dataclass(frozen=True)
class Slot:
    """A pointer in memory through which `symbol` is called."""

    symbol: str
    address: int


class _Elf:
    """The parts of an ELF64 little-endian shared library that say where its imports are stored."""

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self._data = data
        if data[:4] != b"\x7fELF" or data[4] != 2 or data[5] != 1:
            raise NotPatchableError("not a 64-bit little-endian ELF file")
        (machine,) = struct.unpack_from("<H", data, 18)
        if machine not in _ADDRESS_RELOCATIONS:
            raise NotPatchableError(f"ELF machine {machine} is neither x86-64 nor aarch64")
        self._kinds = _ADDRESS_RELOCATIONS[machine]
        self._loads: list[tuple[int, int, int]] = []
        self._tags: dict[int, int] = {}
        self._read_headers()

    def _read_headers(self) -> None:
        (table,) = struct.unpack_from("<Q", self._data, 32)
        size, count = struct.unpack_from("<HH", self._data, 54)
        for i in range(count):
            kind, _, offset, address, _, nbytes = struct.unpack_from("<IIQQQQ", self._data, table + i * size)
            if kind == _PT_LOAD:
                self._loads.append((address, offset, nbytes))
            elif kind == _PT_DYNAMIC:
                self._tags = dict(struct.iter_unpack("<qQ", self._data[offset : offset + nbytes // 16 * _DYN_BYTES]))
        if not {_DT_STRTAB, _DT_SYMTAB} <= self._tags.keys():
            raise NotPatchableError("the ELF file has no dynamic symbol table")

    def _offset(self, address: int) -> int:
        for start, offset, nbytes in self._loads:
            if start <= address < start + nbytes:
                return offset + address - start
        raise NotPatchableError(f"address {address:#x} is outside the ELF file")

    def _symbol_name(self, index: int) -> str:
        (name,) = struct.unpack_from("<I", self._data, self._offset(self._tags[_DT_SYMTAB]) + index * _SYMBOL_BYTES)
        start = self._offset(self._tags[_DT_STRTAB]) + name
        return self._data[start : self._data.find(b"\0", start)].decode("ascii", "replace")

    def imports(self) -> Iterator[tuple[str, int]]:
        """(symbol, address relative to the load base) of every imported pointer without addend."""
        for table, nbytes in ((_DT_JMPREL, _DT_PLTRELSZ), (_DT_RELA, _DT_RELASZ)):
            if table not in self._tags:
                continue
            start = self._offset(self._tags[table])
            rows = self._data[start : start + self._tags[nbytes] // _RELA_BYTES * _RELA_BYTES]
            for address, info, addend in struct.iter_unpack("<QQq", rows):
                if info >> 32 and addend == 0 and info & 0xFFFFFFFF in self._kinds:
                    yield self._symbol_name(info >> 32), address


def imports_of(data: bytes | mmap.mmap, symbols: Collection[str]) -> list[tuple[str, int]]:
    """Where an ELF image stores the addresses of `symbols`: (symbol, offset from the load base).

    Raises:
        NotPatchableError: the image is not ELF64 for x86-64 or aarch64, or is damaged.
    """
    try:
        return [(name, address) for name, address in _Elf(data).imports() if name in symbols]
    except (struct.error, IndexError) as e:
        raise NotPatchableError(f"the ELF file is damaged: {e}") from e


def mappings() -> list[Mapping]:
    """The files mapped into this process (Linux)."""
    rows = (line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text().splitlines())
    found = []
    for row in rows:
        if len(row) == 6 and row[5].startswith("/"):
            start, end = (int(v, 16) for v in row[0].split("-"))
            found.append(Mapping(start, end, row[1], int(row[2], 16), row[5]))
    return found


def slots(library: str, symbols: Collection[str]) -> list[Slot]:
    """The slots of the loaded library whose file is called `library` (`libmlx.so`) for `symbols`.

    Raises:
        NotPatchableError: no such library is loaded, or its file cannot be read or understood.
    """
    bases = [m for m in mappings() if os.path.basename(m.path) == library and m.offset == 0]
    if not bases:
        raise NotPatchableError(f"{library} is not loaded")
    try:
        with open(bases[0].path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as image:
            found = imports_of(image, symbols)
    except (OSError, ValueError) as e:
        raise NotPatchableError(f"cannot read {bases[0].path}: {e}") from e
    base = min(m.start for m in bases if m.path == bases[0].path)
    return [Slot(symbol, base + offset) for symbol, offset in found]


def target(slot: Slot) -> int:
    """The address that the slot holds now."""
    return int(ctypes.c_uint64.from_address(slot.address).value)


def owner(address: int) -> str | None:
    """Path of the file mapped at an address; None for anonymous memory."""
    return next((m.path for m in mappings() if m.start <= address < m.end), None)


def redirect(slot: Slot, address: int) -> None:
    """Make the slot point to `address`; the page's protection is as before afterwards.

    Raises:
        NotPatchableError: the slot is not in mapped memory, or the system forbids making the page writable.
    """
    page_bytes = mmap.PAGESIZE
    page = slot.address & ~(page_bytes - 1)
    mapping = next((m for m in mappings() if m.start <= slot.address < m.end), None)
    if mapping is None:
        raise NotPatchableError(f"the slot of {slot.symbol} is not in mapped memory")
    before = mmap.PROT_READ | (mmap.PROT_WRITE if "w" in mapping.protection else 0)
    _protect(page, page_bytes, mmap.PROT_READ | mmap.PROT_WRITE)
    ctypes.c_uint64.from_address(slot.address).value = address
    _protect(page, page_bytes, before)


def _protect(page: int, nbytes: int, protection: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(nbytes), protection):
        raise NotPatchableError(f"mprotect: {os.strerror(ctypes.get_errno())}")
