"""Tokenized in segments = tokenized whole, whatever the tokenizer does."""

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from vivace.assets import embedded_model_path
from vivace.chat.checkpoint import read_tokenizer
from vivace.chat.segments import Encoded, Segmenter

TEXTS = ["The weather is fine today.\n\n  Is it?", "hello wOrld 123 é 🙂", "a<b>c </b>", "x = [1, 2]\n\tif x:\n"] * 20
TOKENS = ("<s>", "<|end|>", "<|user|>")
TEMPLATE = "{{ bos_token }}<s><|user|>{{ m.content }}<|end|>[T]"


def trained(*, normalizer=None, pre=None, model=None, added=()):
    tokenizer = Tokenizer(model or models.BPE(unk_token="?"))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    trainer = {
        "BPE": trainers.BpeTrainer(vocab_size=600, special_tokens=["?"], show_progress=False),
        "Unigram": trainers.UnigramTrainer(vocab_size=200, special_tokens=["?"], unk_token="?", show_progress=False),
    }[type(tokenizer.model).__name__]
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in TOKENS])
    tokenizer.add_tokens(list(added))
    return tokenizer


def byte_level(**kwargs):
    return trained(pre=pre_tokenizers.ByteLevel(add_prefix_space=kwargs.pop("space", False)), **kwargs)


def trimmed():
    tokenizer = byte_level()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


KINDS = {
    "embedded": lambda: read_tokenizer(embedded_model_path()),
    "byte level": byte_level,
    "byte level, space in front": lambda: byte_level(space=True),
    "byte level, trimmed offsets": trimmed,
    "metaspace always": lambda: trained(pre=pre_tokenizers.Metaspace(prepend_scheme="always")),
    "metaspace first": lambda: trained(pre=pre_tokenizers.Metaspace(prepend_scheme="first")),
    "metaspace never": lambda: trained(pre=pre_tokenizers.Metaspace(prepend_scheme="never", split=False)),
    "unigram": lambda: trained(pre=pre_tokenizers.Metaspace(prepend_scheme="first"), model=models.Unigram()),
    "prepend": lambda: trained(
        normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    ),
    "lower case": lambda: byte_level(normalizer=normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])),
    "strip": lambda: byte_level(normalizer=normalizers.Strip()),
    "normalized tokens": lambda: byte_level(
        normalizer=normalizers.Lowercase(), added=[AddedToken("wor", normalized=True), AddedToken("[T]")]
    ),
    "stripping tokens": lambda: byte_level(
        added=[AddedToken("[T]", lstrip=True, rstrip=True, normalized=False), AddedToken("\n\n", normalized=False)]
    ),
    "greedy end": lambda: byte_level(added=[AddedToken("<b>", rstrip=True, normalized=False)]),
    "single words": lambda: byte_level(added=[AddedToken("is", single_word=True, normalized=False)]),
    "overlapping": lambda: byte_level(
        added=[AddedToken(text, normalized=False) for text in ("<|end|>\n", "x<|us", "<|user|", "|><s")]
    ),
}


@cache
def both(kind):
    tokenizer = KINDS[kind]()
    template = TEMPLATE + "".join(t.content for t in tokenizer.get_added_tokens_decoder().values())
    return tokenizer, Segmenter(tokenizer, template)


def whole(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def segmented(segmenter, text):
    return Encoded(text, segmenter.encode([text])).ids


WRITTEN = [*TOKENS, "[T]", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "is", "wor", "<b>", "\n", "\n\n", " "]
WRITTEN += [
    "  ",
    "The weather",
    "WORLD",
    "é",
    "e\u0301",
    "🙂",
    "👩‍👩‍👧",
    "<|",
    "|>",
    "<|end|",
    "\u2028",
    "\x1c",
    "中文",
    "1 2",
    "x",
    ".",
]
PIECES = st.sampled_from(WRITTEN)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES | st.text(st.characters(codec="utf-8"), max_size=6), max_size=24).map("".join))
def test_segments_have_the_ids_of_the_whole(kind, text):
    tokenizer, segmenter = both(kind)
    assert segmented(segmenter, text) == whole(tokenizer, text)
    assert segmented(segmenter, text) == whole(tokenizer, text)  # from the cache


@pytest.mark.parametrize("kind", set(KINDS) - {"overlapping"})
def test_all_of_them_are_cut(kind):
    _, segmenter = both(kind)
    assert {"<|im_start|>", "<|im_end|>"} <= set(segmenter.cuts) or {"<s>", "<|end|>", "<|user|>"} <= set(
        segmenter.cuts
    )


def test_tokens_that_reach_over_others_are_no_cuts():
    _, segmenter = both("overlapping")
    assert not {"<|end|>", "<|user|>", "<|user|", "<s>"} & set(segmenter.cuts)
    _, segmenter = both("stripping tokens")
    assert "[T]" not in segmenter.cuts
    _, segmenter = both("single words")
    assert "is" not in segmenter.cuts


def test_a_tokenizer_that_looks_across_is_not_cut():
    """No kind that we know does: here the probe sees two different ones."""
    tokenizer = KINDS["byte level"]()

    class Forgetful(Segmenter):
        def _encoded(self, text):
            segment = super()._encoded(text)
            return replace(segment, ids=segment.ids[:-1])

    assert Segmenter(tokenizer, TEMPLATE).cuts
    assert not Forgetful(tokenizer, TEMPLATE).cuts


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=80, deadline=None)
@given(st.lists(PIECES, max_size=60).map("".join), st.data())
def test_settled_tokens_do_not_depend_on_what_follows(kind, text, data):
    tokenizer, segmenter = both(kind)
    at = data.draw(st.integers(0, len(text)))
    other = text[:at] + data.draw(st.lists(PIECES, max_size=4).map("".join))
    position = Encoded(text, segmenter.encode([text])).settled(at, at)
    assert whole(tokenizer, other)[:position] == whole(tokenizer, text)[:position]


def test_memory_is_bounded():
    segmenter = Segmenter(KINDS["byte level"](), TEMPLATE)
    segmenter._cache.limit = 1000
    for i in range(100):
        segmenter.encode([f"<|user|>{i} is fine<|end|>" + "x" * i])
    assert 0 < segmenter._cache.weight <= 1000
    segmenter.encode(["y" * 2000])
    assert segmenter._cache.get("y" * 2000) is None
