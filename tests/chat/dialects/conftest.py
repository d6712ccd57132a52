import json

import pytest
from llguidance import LLTokenizer
from tokenizers import AddedToken, Tokenizer

from tests.chat.dialects.families import FAMILIES, tokens_of
from tests.chat.dialects.writing import Vocabulary


@pytest.fixture(scope="module")
def vocabulary(mini, tmp_path_factory) -> Vocabulary:
    extended = Tokenizer.from_str(mini.tokenizer.to_str())
    shown = {marker for family in FAMILIES for marker in tokens_of(family, "harmony")}
    extended.add_tokens([AddedToken(marker, special=False) for marker in sorted(shown)])
    path = tmp_path_factory.mktemp("vocabulary") / "tokenizer.json"
    extended.save(str(path))
    ids = {marker: extended.token_to_id(marker) for marker in shown}
    ll = LLTokenizer(str(path), n_vocab=extended.get_vocab_size(), eos_token=[8182, 8180])
    letters = Tokenizer.from_str(json.dumps(json.loads(mini.tokenizer.to_str()) | {"added_tokens": []}))
    return Vocabulary(mini.tokenizer, letters, ids, ll)
