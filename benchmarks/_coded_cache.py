"""A prompt whose stored blocks have been through a KV codec, and what the model makes of it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from vivace.engine.cache.codecs import Codec
from vivace.engine.cache.slab import Slab
from vivace.engine.models import LoadedModel, arrays_of, caches_in

BLOCK = 64  # tokens


@dataclass(frozen=True)
class Stored:
    """The caches of a prompt's whole blocks, and the tokens after them, at least one."""

    caches: list[Any]
    tail: list[int]


def store(model: LoadedModel, prompt: list[int], chunk: int) -> Stored:
    """Run the whole blocks of a prompt: what a prefix cache would hold of it when it comes again."""
    whole = (len(prompt) - 1) // BLOCK * BLOCK
    caches = model.make_caches(len(prompt))
    for begin in range(0, whole, chunk):
        model.forward(mx.array([prompt[begin : min(begin + chunk, whole)]]), caches)
        mx.eval(arrays_of(caches))
    return Stored(caches, prompt[whole:])


def restore(model: LoadedModel, stored: Stored, codec: Codec) -> list[Any]:
    """New caches: keys and values after the codec, recurrent states as they are."""
    caches = model.make_caches(0)
    for new, old in zip(_parts(caches), _parts(stored.caches), strict=True):
        if isinstance(new, Slab):
            new.update_and_fetch(*_through(codec, old))
        else:
            new.state = tuple(
                [None if x is None else mx.array(x) for x in part] if part else part for part in old.state
            )
    return caches


def continue_greedily(
    model: LoadedModel, caches: list[Any], tail: list[int], most: int, stops: Collection[int]
) -> tuple[mx.array, list[int]]:
    """Logits `[tail, V]` of the tail, float32, and the tokens after it, a stop not included."""
    logits = model.forward(mx.array([tail]), caches)[0].astype(mx.float32)
    token, tokens = logits[-1].argmax().item(), []
    while token not in stops and len(tokens) < most:
        tokens.append(token)
        token = model.forward(mx.array([[token]]), caches)[0, -1].argmax().item()
    return logits, tokens


def _parts(caches: list[Any]) -> list[Any]:
    return [part for cache in caches for part in caches_in(cache)]


def _through(codec: Codec, slab: Slab) -> tuple[mx.array, mx.array]:
    keys, values = (_blocks(array[..., : slab.length, :]) for array in slab.state)
    rows = codec.encode(keys, values)
    coded = codec.decode(rows, keys.shape[1:], values.shape[1:], keys.dtype)
    return _together(coded[0]), _together(coded[1])


def _blocks(x: mx.array) -> mx.array:
    """`[1, H, n, D]` as `[n / BLOCK, H, BLOCK, D]`."""
    _, heads, n, depth = x.shape
    return x.reshape(heads, n // BLOCK, BLOCK, depth).swapaxes(0, 1)


def _together(x: mx.array) -> mx.array:
    blocks, heads, size, depth = x.shape
    return x.swapaxes(0, 1).reshape(1, heads, blocks * size, depth)
