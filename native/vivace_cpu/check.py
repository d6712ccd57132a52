"""Whether the kernels compute rightly on this processor: a small case of every kind against float64.

A table of named checks, each of which returns its error relative to the size of the result. It runs whenever an engine
starts, so all of it stays below 50 ms.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from vivace_cpu import _native as native

Array = NDArray[np.float64]
EXACT = 2e-5  # of results in float32
ROUNDED = 0.03  # of results in bfloat16
INT8 = 0.05  # of single products of activations rounded to int8; their usual error is a tenth of it


def _random(*shape: int, seed: int = 0) -> Array:
    values = np.random.default_rng(seed).standard_normal(shape)
    return np.round(values * 32) / 32  # exact in bfloat16, so that no input is rounded on its way


def _f32(array: Array) -> mx.array:
    return mx.array(array.astype(np.float32))


def _error(result: mx.array, truth: Array) -> float:
    got = np.array(result.astype(mx.float32)).astype(np.float64)
    if got.shape != truth.shape:
        return float("inf")
    return float(np.max(np.abs(got - truth)) / np.sqrt(np.mean(truth**2)))


def _rms_norm(dtype: mx.Dtype) -> float:
    x, weight = _random(3, 70), _random(70, seed=1)
    truth = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weight
    return _error(native.rms_norm(_f32(x).astype(dtype), _f32(weight), 1e-6), truth)


def _layer_norm() -> float:
    x, weight, bias = _random(3, 70), _random(70, seed=1), _random(70, seed=2)
    centered = x - x.mean(-1, keepdims=True)
    truth = centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-5) * weight + bias
    return _error(native.layer_norm(_f32(x), _f32(weight), _f32(bias), 1e-5), truth)


def _matmul(rows: int, dtype: mx.Dtype) -> float:
    x, w = _random(rows, 70), _random(50, 70, seed=1)
    return _error(native.matmul(_f32(x).astype(dtype), _f32(w).astype(dtype)), x @ w.T)


def _quantized_matmul(rows: int, bits: int, mode: str, exact: bool) -> float:
    group = 32 if mode == "mxfp4" else 64
    x, w = _random(rows, 128), _f32(_random(50, 128, seed=1))
    kind: dict[str, Any] = {"group_size": group, "bits": bits, "mode": mode}
    parts = mx.quantize(w, **kind)
    truth = x @ np.array(mx.dequantize(*parts, **kind).astype(mx.float32)).astype(np.float64).T
    return _error(native.quantized_matmul(_f32(x), native.Packed(*parts, **kind), exact=exact), truth)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def _swiglu() -> float:
    gate, up = _random(3, 70), _random(3, 70, seed=1)
    return _error(native.swiglu(_f32(gate), _f32(up)), gate * _sigmoid(gate) * up)


def _geglu() -> float:
    gate, up = _random(3, 70), _random(3, 70, seed=1)
    tanh = np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3))
    return _error(native.geglu(_f32(gate), _f32(up), approximate=True), gate * 0.5 * (1 + tanh) * up)


def _add() -> float:
    x, y = _random(3, 70), _random(3, 70, seed=1)
    return _error(native.add(_f32(x), _f32(y)), x + y)


def _rope(traditional: bool) -> float:
    x, frequencies = _random(1, 2, 5, 40), 0.1 ** np.arange(16)
    turn = np.exp(1j * np.arange(3, 8)[:, None] * frequencies)
    first, second = (x[..., :32:2], x[..., 1:32:2]) if traditional else (x[..., :16], x[..., 16:32])
    turned = (first + 1j * second) * turn
    halves = (turned.real, turned.imag)
    mixed = np.stack(halves, -1).reshape(1, 2, 5, 32) if traditional else np.concatenate(halves, -1)
    result = native.rope(_f32(x), 3, _f32(frequencies), traditional=traditional)
    return _error(result, np.concatenate([mixed, x[..., 32:]], -1))


def _conv() -> float:
    x, weight = _random(1, 9, 70), _random(70, 4, seed=1)
    padded = np.concatenate([np.zeros((1, 3, 70)), x], 1)
    sums = sum(padded[:, j : j + 9] * weight[:, j] for j in range(4))
    y, state = native.causal_conv1d(_f32(x), None, _f32(weight[..., None]), silu=True)
    return max(_error(y, sums * _sigmoid(sums)), _error(state, padded[:, -3:]))


def _gated_delta(tokens: int) -> float:
    q, k = (_random(1, tokens, 1, 20, seed=seed) / 5 for seed in (0, 1))
    v, decay, beta = _random(1, tokens, 2, 12, seed=2), _sigmoid(_random(1, tokens, 2)), _sigmoid(_random(1, tokens, 2))
    state, outputs = np.zeros((2, 12, 20)), []
    for t in range(tokens):
        state = state * decay[0, t][:, None, None]
        delta = beta[0, t][:, None] * (v[0, t] - state @ k[0, t, 0])
        state = state + delta[:, :, None] * k[0, t, 0]
        outputs.append(state @ q[0, t, 0])
    y, last = native.gated_delta(*(_f32(a) for a in (q, k, v, decay, beta)))
    return max(_error(y, np.stack(outputs)[None]), _error(last, state[None]))


def _gated_norm() -> float:
    x, weight, gate = _random(3, 70), _random(70, seed=1), _random(3, 70, seed=2)
    truth = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weight * gate * _sigmoid(gate)
    return _error(native.gated_norm(_f32(x), _f32(weight), _f32(gate), 1e-6), truth)


def _logits() -> Array:
    return 4 * _random(2, 5000)


def _argmax() -> float:
    x = _logits()
    return _error(native.argmax(_f32(x)), np.argmax(x, -1).astype(np.float64))


def _logsumexp() -> float:
    x = _logits()
    return _error(native.logsumexp(_f32(x)), np.log(np.exp(x).sum(-1)))


def _softmax() -> float:
    powers = np.exp(_logits())
    return _error(native.softmax(_f32(_logits())), powers / powers.sum(-1, keepdims=True))


def _topk() -> float:
    values, indices = native.topk(_f32(_logits()), 7)
    order = np.argsort(-_logits(), axis=-1, kind="stable")[:, :7]
    return max(_error(indices, order.astype(np.float64)), _error(values, np.take_along_axis(_logits(), order, axis=-1)))


def _embed(bits: int) -> float:
    parts = mx.quantize(_f32(_random(9, 128)), group_size=64, bits=bits)
    truth = np.array(mx.dequantize(*parts, group_size=64, bits=bits)).astype(np.float64)
    index = mx.array([7, 0, 7], mx.int32)
    return _error(native.embed(index, native.Packed(*parts, group_size=64, bits=bits)), truth[[7, 0, 7]])


def _gather_matmul() -> float:
    x, experts, chosen = _random(6, 70), _random(4, 50, 70, seed=1), [3, 0, 3, 1, 2, 3]
    truth = np.einsum("pk,pnk->pn", x, experts[chosen])
    result = native.gather_mm(_f32(x)[:, None], _f32(experts), mx.array(chosen, mx.int32))
    return _error(result[:, 0], truth)


def _attention(queries: int) -> float:
    q, k, v = _random(2, 4, queries, 64), _random(2, 2, 90, 64, seed=1), _random(2, 2, 90, 64, seed=2)
    scores = np.einsum("bhtd,bhsd->bhts", q, np.repeat(k, 2, axis=1)) / 8
    hidden = np.arange(90) > np.arange(90 - queries, 90)[:, None]
    powers = np.where(hidden, 0, np.exp(scores))
    truth = np.einsum("bhts,bhsd->bhtd", powers / powers.sum(-1, keepdims=True), np.repeat(v, 2, axis=1))
    return _error(native.attention(_f32(q), _f32(k), _f32(v), scale=1 / 8, causal=True), truth)


def _draw() -> float:
    x, seed, position = _f32(_logits()[0]), 11, 3
    noise = mx.random.gumbel(x.shape, key=mx.random.split(mx.array([seed, position], mx.uint32))[0])
    token = native.draw(x[None], [0.7], [0], [1.0], [0.0], [seed], [position])
    return _error(token, np.array([mx.argmax(x / 0.7 + noise).item()], np.float64))


CHECKS: list[tuple[str, Callable[[], float], float]] = [
    ("rms_norm float32", partial(_rms_norm, mx.float32), EXACT),
    ("rms_norm bfloat16", partial(_rms_norm, mx.bfloat16), ROUNDED),
    ("rms_norm float16", partial(_rms_norm, mx.float16), ROUNDED),
    ("layer_norm", _layer_norm, EXACT),
    *((f"matmul {rows} float32", partial(_matmul, rows, mx.float32), EXACT) for rows in (1, 40)),
    *((f"matmul {rows} bfloat16", partial(_matmul, rows, mx.bfloat16), ROUNDED) for rows in (1, 40)),
    *(
        (f"quantized_matmul {rows} {bits}-bit", partial(_quantized_matmul, rows, bits, "affine", False), INT8)
        for rows in (1, 40)
        for bits in (2, 3, 4, 5, 6, 8)
    ),
    *(
        (f"quantized_matmul {rows} {bits}-bit exact", partial(_quantized_matmul, rows, bits, "affine", True), EXACT)
        for rows in (1, 40)
        for bits in (2, 3, 4, 5, 6, 8)
    ),
    *(
        (f"quantized_matmul {rows} mxfp4", partial(_quantized_matmul, rows, 4, "mxfp4", False), INT8)
        for rows in (1, 40)
    ),
    *((f"embed {bits}-bit", partial(_embed, bits), EXACT) for bits in (4, 8)),
    ("gather_mm", _gather_matmul, EXACT),
    *((f"attention {queries}", partial(_attention, queries), EXACT) for queries in (1, 20)),
    ("swiglu", _swiglu, EXACT),
    ("geglu", _geglu, EXACT),
    ("add", _add, EXACT),
    ("rope", partial(_rope, False), EXACT),
    ("rope traditional", partial(_rope, True), EXACT),
    ("conv", _conv, EXACT),
    *((f"gated_delta {tokens}", partial(_gated_delta, tokens), EXACT) for tokens in (1, 40)),
    ("gated_norm", _gated_norm, EXACT),
    ("argmax", _argmax, 0.0),
    ("logsumexp", _logsumexp, EXACT),
    ("softmax", _softmax, EXACT),
    ("topk", _topk, 1e-6),
    ("draw", _draw, 0.0),
]


def self_test() -> list[str]:
    """What is wrong, one sentence each; empty when all is well. Looks at the instruction set in use."""
    failures = []
    with mx.stream(mx.cpu):
        for name, check, limit in CHECKS:
            try:
                error = check()
            except Exception as e:  # noqa: BLE001  # whatever it is, the kernels must not be used
                failures.append(f"{name}: {type(e).__name__}: {e}")
                continue
            if not error <= limit:
                failures.append(f"{name}: off by {error:.2g}")
    return failures
