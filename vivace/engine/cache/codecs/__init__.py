"""How stored KV blocks are encoded: arrays in, bytes out, no files.

    name    keys      values    bytes of 1,000 in bf16, at a head dim of 128
    plain   as is     as is     1000
    q8      8 bits    8 bits     531
    k8v4    8 bits    4 bits     395
    v4      as is     4 bits     629
    v3      as is     3 bits     598
    v2      as is     2 bits     566

8 bits are affine over parts of a head vector (`affine.py`); 4, 3 and 2 bits are rotated (`rotated.py`, TurboQuant).
Names are those of Rapid-MLX and vLLM: `v4` leaves the keys alone, since softmax takes their errors much worse than an
average takes those of values. `v2` is the setting that makes values 86 % smaller than in bf16.

What multi-head latent attention caches is all coded as keys (`pair.py`): there `v4`, `v3` and `v2` change nothing.

Vectors too short to gain from a codec are kept as the next better one keeps them. The lossy ones make NaN 0 and cut
infinities: such a vector loses its precision, its neighbours do not.
"""

from vivace.engine.cache.codecs.affine import Affine
from vivace.engine.cache.codecs.coder import Coder
from vivace.engine.cache.codecs.pair import Codec, Pair
from vivace.engine.cache.codecs.plain import Plain
from vivace.engine.cache.codecs.rotated import Rotated

_AFFINE: tuple[Coder, ...] = (Affine(), Plain())

# Name → what encodes keys and what encodes values, each with what stands in for it where vectors are short.
_CODECS = {
    pair.name: pair
    for pair in (
        Pair("plain", (Plain(),), (Plain(),)),
        Pair("q8", _AFFINE, _AFFINE),
        Pair("k8v4", _AFFINE, (Rotated(4), *_AFFINE)),
        Pair("v4", (Plain(),), (Rotated(4), *_AFFINE)),
        Pair("v3", (Plain(),), (Rotated(3), *_AFFINE)),
        Pair("v2", (Plain(),), (Rotated(2), *_AFFINE)),
    )
}
NAMES = tuple(_CODECS)


def codec(name: str) -> Codec:
    """The codec of this name.

    Raises:
        ValueError: there is none; the message names those that there are.
    """
    if name not in _CODECS:
        raise ValueError(f"there is no KV codec {name!r}; there are {', '.join(NAMES)}")
    return _CODECS[name]


__all__ = ["NAMES", "Codec", "codec"]
