import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from vivace.chat.detokenizer import Detokenizer, TokenTable
from vivace.chat.facts import CheckpointError

ADDED = [AddedToken("<s>", special=True), AddedToken("<mark>", special=False, normalized=False)]


def byte_level() -> Tokenizer:
    vocab = {char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    for extra in ("Ġthe", "Ã©", "ðŁĺ", "ab"):
        vocab[extra] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(ADDED)
    return tokenizer


def _bytes_and_words() -> dict[str, int]:
    words = ["<unk>", *(f"<0x{b:02X}>" for b in range(256)), "▁", "▁the", "a", "b", "é", "▁▁", "x▁y", "😀"]
    return {word: i for i, word in enumerate(words)}


def byte_fallback() -> Tokenizer:
    """As Llama's: a prefix space, replaced underscores, bytes as tokens."""
    tokenizer = Tokenizer(models.BPE(vocab=_bytes_and_words(), merges=[], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_tokens(ADDED)
    return tokenizer


def metaspace_unigram() -> Tokenizer:
    vocab = [(word, -1.0) for word in _bytes_and_words()]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    tokenizer.add_tokens(ADDED)
    return tokenizer


KINDS = {"byte level": byte_level(), "byte fallback": byte_fallback(), "metaspace": metaspace_unigram()}
TABLES = {kind: TokenTable(tokenizer, frozenset({"<mark>"})) for kind, tokenizer in KINDS.items()}


def streamed(table: TokenTable, ids: list[int]) -> str:
    text = Detokenizer(table)
    pieces = [piece for i in ids for piece in text.feed(i)]
    return "".join(piece.text for piece in [*pieces, *text.finish()])


@given(st.lists(st.integers(0, 300), max_size=30))
def test_byte_level_ids_decode_as_the_whole(ids):
    assert streamed(TABLES["byte level"], ids) == KINDS["byte level"].decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("kind", ["byte fallback", "metaspace"])
@given(st.lists(st.one_of(st.integers(257, 270), st.characters(codec="utf-8")), max_size=20))
@example([266, 257])  # a marker, then a space
def test_byte_fallback_ids_decode_as_the_whole(kind, parts):
    """Characters come as their bytes, always valid: invalid runs are where we differ on purpose."""
    ids = [i for part in parts for i in ([part] if isinstance(part, int) else [1 + b for b in part.encode()])]
    assert streamed(TABLES[kind], ids) == KINDS[kind].decode(ids, skip_special_tokens=True)


@given(st.lists(st.integers(0, 8300), max_size=40))
def test_the_embedded_tokenizer_decodes_as_the_whole(mini, ids):
    table = TokenTable(mini.tokenizer, frozenset({"<think>", "</think>"}))
    assert streamed(table, ids) == mini.tokenizer.decode(ids, skip_special_tokens=True)


def test_an_unfinished_character_is_held_for_three_bytes_at_most():
    text = Detokenizer(TABLES["byte fallback"])
    emoji, letter = [1 + b for b in "😀".encode()], KINDS["byte fallback"].token_to_id("a")
    assert [text.feed(i) for i in emoji[:3]] == [[], [], []]
    assert [p.text for p in text.feed(letter)] == ["\ufffda"]
    assert [p.text for i in emoji for p in text.feed(i)] == ["😀"]


def test_a_marker_is_a_piece_of_its_own():
    tokenizer = KINDS["byte level"]
    text = Detokenizer(TABLES["byte level"])
    pieces = [p for name in ("a", "<s>", "<mark>", "b") for p in text.feed(tokenizer.token_to_id(name))]
    assert [(p.text, p.marker) for p in pieces] == [("a", False), ("<mark>", True), ("b", False)]


def test_an_unknown_decoder_is_refused_by_name():
    tokenizer = Tokenizer(models.WordPiece(vocab={"a": 0}, unk_token="a"))
    tokenizer.decoder = decoders.WordPiece()
    with pytest.raises(CheckpointError, match="WordPiece"):
        TokenTable(tokenizer)
