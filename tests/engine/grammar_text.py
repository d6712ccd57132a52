"""A tokenizer for the random models, so that they can follow grammars, and a grammar with much that is forced."""

import json
from pathlib import Path

import llguidance
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from tests.random_models import VOCAB

OPENER, CLOSER, END = "<think>", "</think>", "<|end|>"
KEYS = ("the_identifier_of_the_entry", "the_name_of_the_entry", "whether_the_entry_is_there")
ENTRY = {
    "type": "object",
    "properties": {
        KEYS[0]: {"type": "integer", "minimum": 0, "maximum": 99},
        KEYS[1]: {"type": "string", "maxLength": 6},
        KEYS[2]: {"type": "boolean"},
    },
    "required": list(KEYS),
    "additionalProperties": False,
}
SCHEMA = llguidance.LLMatcher.grammar_from_json_schema(ENTRY, {"whitespace_flexible": False})
_CORPUS = [*KEYS, json.dumps(dict.fromkeys(KEYS, 1)), "true false the entry is there"]


def write_tokenizer(folder: Path) -> Tokenizer:
    """Byte-level BPE of VOCAB tokens, three of them special; written to `folder`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB - 3, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in (OPENER, CLOSER, END)])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer
