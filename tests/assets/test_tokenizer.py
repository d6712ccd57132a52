"""The embedded tokenizer must be read as it was trained: another pre-tokenizer makes answers worse without an error."""

import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from training.tokenizer import MARKERS, PATTERN, SPECIALS, VOCABULARY
from vivace.assets import embedded_model_path

FOLDER = embedded_model_path()
PLAIN = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
TEXTS = [
    "hello world",
    "The access code for the east gate is 48213.",
    "What is the weather in New York?",
    "QX-4821 snake_case camelCase path/to/file.py",
    "naïve café 😀 日本語",
    "  two  spaces and a tab\tand\n\nlines",
    "x = 10\n\n    return 3.14",
    '{"name": "Ada", "age": 36}',
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n",
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nLisbon\n</parameter>\n</function>\n</tool_call>",
]
# A space is a piece of its own, but in front of frequent words, so that a word has one tokenization wherever it stands.
PIECES = {
    "hello world": ["hello", " ", "world"],
    "the east gate is 48213.": ["the", " ", "east", " ", "gate", " is", " ", "4", "8", "2", "1", "3", "."],
}


def without_remote_code(folder: Path) -> Path:
    """A copy of the model's text files with the flag left out."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(FOLDER / name, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["trust_remote_code"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def test_the_file_holds_the_trained_pre_tokenizer() -> None:
    split, letters = json.loads((FOLDER / "tokenizer.json").read_text())["pre_tokenizer"]["pretokenizers"]
    assert (split["pattern"]["Regex"], split["behavior"]) == (PATTERN, "Isolated")
    assert (letters["type"], letters["add_prefix_space"], letters["use_regex"]) == ("ByteLevel", False, False)


@pytest.mark.parametrize("text", PIECES)
def test_words_spaces_and_digits_stand_alone(text: str) -> None:
    pieces = [text[start:end] for _, (start, end) in PLAIN.pre_tokenizer.pre_tokenize_str(text)]
    assert pieces == PIECES[text]


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives_encoding_and_decoding(text: str) -> None:
    assert PLAIN.decode(PLAIN.encode(text).ids, skip_special_tokens=False) == text


def test_the_vocabulary_ends_with_the_special_tokens_and_the_markers() -> None:
    last = [PLAIN.id_to_token(i) for i in range(VOCABULARY - len(SPECIALS) - len(MARKERS), VOCABULARY)]
    assert (PLAIN.get_vocab_size(), last) == (VOCABULARY, SPECIALS + MARKERS)


def test_transformers_reads_it_as_trained_while_the_flag_is_set() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    assert [tokenizer.encode(text) for text in TEXTS] == [PLAIN.encode(text).ids for text in TEXTS]


def test_without_the_flag_transformers_tokenizes_differently(tmp_path: Path) -> None:
    """Why the flag must stay. If this fails, transformers has changed and the flag may go."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(without_remote_code(tmp_path))
    assert tokenizer.encode("hello world") != PLAIN.encode("hello world").ids


def test_the_flag_is_set_and_there_is_no_remote_code() -> None:
    assert json.loads((FOLDER / "tokenizer_config.json").read_text())["trust_remote_code"] is True
    assert not list(FOLDER.glob("*.py"))
    assert "auto_map" not in (FOLDER / "config.json").read_text() + (FOLDER / "tokenizer_config.json").read_text()
