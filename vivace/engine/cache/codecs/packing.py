"""Codes of 2, 3 or 4 bits in bytes.

A code is cut into pieces of 4, 2 or 1 bits, and each size has its own bytes, so that none straddles two. Numbers that
share a byte lie a half (a quarter, an eighth) of the vector apart: both ways work on whole runs of memory.
"""

import mlx.core as mx

_PIECES = {2: (2,), 3: (2, 1), 4: (4,)}  # bits of a code → of its pieces, the lowest first


def packed_nbytes(depth: int, bits: int) -> int:
    """Bytes of `depth` codes."""
    return sum(_run(depth, piece) for piece in _PIECES[bits])


def pack(codes: mx.array, bits: int) -> mx.array:
    """uint8 `[..., depth]`, all below 2^bits, to uint8 `[..., packed_nbytes]`."""
    parts, shift = [], 0
    for piece in _PIECES[bits]:
        parts.append(_join((codes >> shift) & (2**piece - 1), piece))
        shift += piece
    return parts[0] if len(parts) == 1 else mx.concatenate(parts, axis=-1)


def unpack(data: mx.array, depth: int, bits: int) -> mx.array:
    """The codes, uint8 `[..., depth]`."""
    codes, begin, shift = mx.array(0, mx.uint8), 0, 0
    for piece in _PIECES[bits]:
        end = begin + _run(depth, piece)
        codes = codes | (_split(data[..., begin:end], piece)[..., :depth] << shift)
        begin, shift = end, shift + piece
    return codes


def _run(depth: int, piece: int) -> int:
    return -(-depth * piece // 8)


def _join(pieces: mx.array, bits: int) -> mx.array:
    """Pieces of one size into bytes."""
    depth = pieces.shape[-1]
    run = _run(depth, bits)
    missing = run * (8 // bits) - depth
    if missing:
        pieces = mx.pad(pieces, [(0, 0)] * (pieces.ndim - 1) + [(0, missing)])
    joined = pieces[..., :run]
    for i in range(1, 8 // bits):
        joined = joined | (pieces[..., i * run : (i + 1) * run] << (i * bits))
    return joined


def _split(data: mx.array, bits: int) -> mx.array:
    """Bytes into pieces of one size, with what `_join` padded."""
    return mx.concatenate([(data >> (i * bits)) & (2**bits - 1) for i in range(8 // bits)], axis=-1)
