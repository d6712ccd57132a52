"""Byte-level BPE tokenizer made for exact copying.

A word has one tokenization wherever it stands: the space in front is its own token (except for a closed list of
frequent function words, which keep sequences short), and digits are single tokens.

    python -m training.tokenizer OUT

The tokenizer of the released weights is the embedded model's tokenizer.json. It was trained before the last changes of
the word lists: a new one would not fit the weights.
"""

import sys
from pathlib import Path
from random import Random
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from training import data, invent, lexicon
from training.encode import render
from training.lexicon import words_of
from vivace.assets import embedded_model_path

VOCABULARY = 8192
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
MARKERS = words_of("<think> </think> <tool_call> </tool_call> <tool_response> </tool_response>")  # shown when decoding
FUNCTION_WORDS = words_of(
    "a an the and or of to in on at is are was it its for with from by as be this that these you your I "
    "my me we our they "
    "their he she his her not no do does did have has had will would can could what which who how where "
    "when if so then "
    "there one all any only but than about into after before over up out them him us been were just also "
    "very more most "
    "some such each other"
)
PATTERN = (
    r" (?:" + "|".join(FUNCTION_WORDS) + r")(?![\p{L}\p{N}_])"
    r"|\p{L}+|\p{N}| +(?= )| |[\r\n]+|[^\s\p{L}\p{N}]+|\s+"
)
_FIRST_SEED = 7_000_000_000


def trained_tokenizer() -> Tokenizer:
    """The tokenizer of the released weights."""
    return Tokenizer.from_file(str(embedded_model_path() / "tokenizer.json"))


def build(texts: list[str]) -> Tokenizer:
    """A tokenizer of VOCABULARY tokens, the special ones last."""
    tokenizer = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, letters])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIALS) - len(MARKERS),
        min_frequency=2,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIALS])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in MARKERS])
    return tokenizer


def wrap(tokenizer: Tokenizer) -> Any:
    """The transformers tokenizer, with the chat template."""
    from transformers import PreTrainedTokenizerFast

    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        bos_token=None,
        unk_token=None,
        clean_up_tokenization_spaces=False,
        model_max_length=32768,
    )
    wrapped.chat_template = (embedded_model_path() / "chat_template.jinja").read_text(encoding="utf-8")
    return wrapped


def _conversations(samples: int) -> list[str]:
    texts = []
    for i in range(samples):
        sample = data.sample(_FIRST_SEED + i)
        texts.append(render(sample.messages, sample.tools)[:6000])
    return texts


def _listed_words() -> list[str]:
    """Every listed word in lower, title and upper case."""
    groups = [lexicon.WORDS, lexicon.FIRST, lexicon.LAST, lexicon.CITIES, lexicon.COUNTRIES, lexicon.JOBS]
    names = [name for group in (*groups, list(lexicon.TOPIC_LISTS)) for name in group]
    return [f"{name} {name.lower()} {name.capitalize()} {name.upper()}" for name in names]


def corpus(samples: int) -> list[str]:
    """What the tokenizer is trained on: conversations, all listed words, made-up words."""
    invent.PIECES.clear()  # pieces of an older vocabulary must not shape the next
    r = Random(1)
    made_up = [" ".join(invent.pseudo(r) for _ in range(20)) for _ in range(3000)]
    return _conversations(samples) + _listed_words() * 20 + made_up


def main(out: str, samples: int = 30_000) -> None:
    texts = corpus(samples)
    tokenizer = build(texts)
    Path(out).mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(Path(out) / "tokenizer.json"))
    tokens = sum(len(tokenizer.encode(text).ids) for text in texts[:2000])
    print("vocabulary", tokenizer.get_vocab_size(), "characters per token", sum(map(len, texts[:2000])) / tokens)


if __name__ == "__main__":
    main(sys.argv[1])
