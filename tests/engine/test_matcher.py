"""Grammars in the batch, on the embedded model's tokenizer."""

import json

import llguidance
import pytest
from tokenizers import Tokenizer

from tests.engine.harness import GREEDY, Harness
from vivace.assets import embedded_model_path
from vivace.engine.matcher import COMPILED, GrammarCompiler, GrammarError
from vivace.engine.models import load
from vivace.protocol import Grammar, Sampling

STOP_IDS = (8182, 8180)
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
SCHEMA = llguidance.LLMatcher.grammar_from_json_schema(PERSON, {"whitespace_flexible": False})


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(embedded_model_path() / "tokenizer.json"))


@pytest.fixture(scope="module")
def harness() -> Harness:
    model = load(embedded_model_path(), "auto", lambda _: None)
    return Harness(model, embedded_model_path())


@pytest.fixture
def ask(tokenizer):
    def prompt(question: str, thinking: bool = False) -> list[int]:
        opening = "<think>\n" if thinking else "<think>\n\n</think>\n\n"
        return tokenizer.encode(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{opening}").ids

    return prompt


def compiler() -> GrammarCompiler:
    return GrammarCompiler(embedded_model_path(), 8192)


def test_a_grammar_that_does_not_compile_says_so():
    with pytest.raises(GrammarError, match=r"\w"):
        compiler().submit(Grammar("start: nowhere")).result()


def test_a_tokenizer_that_llguidance_cannot_read_costs_the_request_and_not_the_engine(tmp_path):
    with pytest.raises(GrammarError, match="is missing"):
        GrammarCompiler(tmp_path, 8192).submit(Grammar(SCHEMA)).result()
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(GrammarError, match="this model's tokenizer"):
        GrammarCompiler(tmp_path, 8192).submit(Grammar(SCHEMA)).result()
    with pytest.raises(GrammarError, match="too small"):
        GrammarCompiler(embedded_model_path(), 100).submit(Grammar(SCHEMA)).result()


def test_a_token_outside_the_grammar_is_an_error(tokenizer):
    matcher = compiler().submit(Grammar(SCHEMA)).result()
    with pytest.raises(GrammarError, match=r"\w"):
        matcher.consume(tokenizer.token_to_id("</think>"))


def test_the_grammar_starts_behind_its_token(tokenizer):
    matcher = compiler().submit(Grammar(SCHEMA, after=tokenizer.token_to_id("</think>"))).result()
    for token in tokenizer.encode("Any words at all.").ids:
        matcher.consume(token)
    assert not matcher.active
    matcher.consume(tokenizer.token_to_id("</think>"))
    assert matcher.active
    for token in tokenizer.encode('{"name":"Ann","age":3}').ids:
        assert not matcher.complete
        matcher.consume(token)
    assert matcher.complete


@pytest.mark.parametrize(
    "sampling", [GREEDY, Sampling(seed=4, temperature=1.5), Sampling(seed=5, temperature=1.0, top_p=0.9)]
)
def test_output_follows_the_schema_beside_rows_without_one(harness, ask, tokenizer, sampling):
    alone = harness.answer(ask("Who are you?"), 40, stop_ids=STOP_IDS)
    harness.submit(
        "json", ask("Tell me a short story about a fox."), 120, sampling, stop_ids=STOP_IDS, grammar=Grammar(SCHEMA)
    )
    harness.submit("free", ask("Who are you?"), 40, stop_ids=STOP_IDS)
    harness.run()
    person = json.loads(tokenizer.decode(harness.tokens.pop("json")))
    assert set(person) == {"name", "age"}
    assert 0 <= person["age"] <= 150
    assert harness.finished.pop("json").reason == "stop"
    assert harness.tokens.pop("free") == alone


def test_reasoning_is_free_and_the_answer_is_not(harness, ask, tokenizer):
    closer = tokenizer.token_to_id("</think>")
    grammar = Grammar('start: "\\n\\n12 + 5 = " /[0-9]+/', after=closer)
    output = harness.answer(ask("What is 12 + 5?", thinking=True), 300, stop_ids=STOP_IDS, grammar=grammar)
    reasoning, answer = tokenizer.decode(output, skip_special_tokens=False).split("</think>")
    assert "12 + 5" in reasoning
    assert answer == "\n\n12 + 5 = 17"


def test_only_the_request_with_a_bad_grammar_fails(harness, ask):
    harness.submit("bad", ask("Who are you?"), 20, grammar=Grammar("start: nowhere"))
    harness.submit("good", ask("Who are you?"), 5)
    harness.run()
    assert harness.failed.pop("bad").kind == "invalid_request"
    assert len(harness.tokens.pop("good")) == 5


def test_a_grammar_is_compiled_once_and_every_request_begins_at_its_beginning(tokenizer, monkeypatch):
    compiler_ = compiler()
    compiled = []
    new = compiler_._new
    monkeypatch.setattr(compiler_, "_new", lambda *args: compiled.append(args) or new(*args))
    first, second = (compiler_.submit(Grammar(SCHEMA), STOP_IDS).result() for _ in range(2))
    other = compiler_.submit(Grammar(SCHEMA, after=3), STOP_IDS).result()
    for matcher in (first, second):
        for token in tokenizer.encode('{"name":"Ann","age":3}').ids:
            matcher.consume(token)
        assert matcher.complete
    assert not other.active
    assert len(compiled) == 1


def test_the_grammars_used_last_are_kept():
    compiler_ = compiler()
    for i in [*range(COMPILED), 0, COMPILED]:
        compiler_.submit(Grammar(f'start: "{i}"')).result()
    sources = [source for source, _ in compiler_._compiled]
    assert len(sources) == COMPILED
    assert 'start: "0"' in sources
    assert 'start: "1"' not in sources
