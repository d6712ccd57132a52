import json
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat.builders import WEATHER
from vivace.assets import embedded_model_path
from vivace.chat.checkpoint import ChatModel, Checkpoint, CheckpointError
from vivace.chat.conversation import Conversation, Message, Options, ToolCall, ToolChoice
from vivace.chat.dialects.reasoning import MarkedReasoning
from vivace.errors import VivaceError
from vivace.protocol import Thinking

TEXT_FILES = ("config.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja", "tokenizer.json")


@pytest.fixture
def copy(tmp_path):
    """The embedded checkpoint without its weights, to be broken."""
    for name in TEXT_FILES:
        shutil.copy(embedded_model_path() / name, tmp_path / name)
    return tmp_path


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def ask(text, **fields):
    return Conversation((Message("user", text),), **fields)


def test_the_facts_of_the_embedded_checkpoint():
    facts = Checkpoint.read(embedded_model_path())
    assert (facts.model_type, facts.architecture) == ("qwen3_5", "Qwen3_5ForCausalLM")
    assert (facts.context_length, facts.vocab_size, facts.stop_ids) == (32768, 8192, (8182, 8180))
    assert (facts.layers, facts.hidden_size, facts.heads, facts.kv_heads, facts.head_dim) == (12, 384, 6, 2, 64)
    assert [i for i, kind in enumerate(facts.layer_kinds) if kind == "full_attention"] == [3, 7, 11]
    assert (facts.quantization.bits, facts.quantization.group_size) == (8, 64)
    assert facts.weight_bytes > 27_000_000
    assert facts.special_tokens["eos_token"] == "<|im_end|>"


def test_dialects_and_why(mini):
    assert (mini.tool_dialect, mini.reasoning_dialect) == ("qwen3_coder_xml", "think")
    assert "<function=" in mini.dialect_reasons["tool"]
    other = ChatModel.load(embedded_model_path(), tool_dialect="none", reasoning_dialect="none")
    assert ChatModel.load(embedded_model_path(), tool_dialect="qwen3.5").tool_dialect == "qwen3_coder_xml"
    assert (other.tool_dialect, other.dialect_reasons["reasoning"]) == ("none", "set by the user")


def test_ids_are_those_of_the_checkpoint_s_own_pre_tokenizer(mini):
    """transformers 5 rebuilds the tokenizer of this model type with another one, which splits differently."""
    prepared = mini.prepare(ask("of the 1234  weather's\n\n"), Options(thinking=False))
    assert prepared.token_ids == mini.tokenizer.encode(prepared.text, add_special_tokens=False).ids
    pieces = [mini.tokenizer.id_to_token(i) for i in mini.tokenizer.encode("we are of the 1234").ids]
    assert pieces[1:] == ["Ġare", "Ġof", "Ġthe", "Ġ", "1", "2", "3", "4"]


@pytest.mark.parametrize(("thinking", "is_open"), [(None, True), (True, True), (False, False)])
def test_whether_reasoning_is_open_comes_from_the_prompt(mini, thinking, is_open):
    assert mini.prepare(ask("<think>"), Options(thinking=thinking)).reasoning_open is is_open


@pytest.mark.parametrize(("thinking", "is_open"), [(True, True), (False, False)])
def test_a_thinking_budget_names_the_markers_of_the_dialect(mini, thinking, is_open):
    opener, closer = (mini.tokenizer.token_to_id(text) for text in ("<think>", "</think>"))
    prepared = mini.prepare(ask("Hi"), Options(thinking=thinking, thinking_budget=30))
    assert prepared.thinking == Thinking(30, (closer,), (opener,), is_open)
    assert mini.prepare(ask("Hi"), Options(thinking=thinking)).thinking is None


def test_a_thinking_budget_that_nothing_can_keep_is_reported(copy):
    added = json.loads((copy / "tokenizer.json").read_text())["added_tokens"]
    edit(copy / "tokenizer.json", added_tokens=[t for t in added if t["content"] != "</think>"])
    prepared = ChatModel.load(copy).prepare(ask("Hi"), Options(thinking_budget=30))
    assert prepared.thinking is None
    assert "thinking budget" in prepared.relaxed[0]
    silent = ChatModel.load(embedded_model_path(), reasoning_dialect="none")
    assert silent.prepare(ask("Hi"), Options(thinking_budget=30)).relaxed == ()


def test_a_thinking_budget_of_messages_names_the_headers_that_follow(copy):
    """The final answer's, but for requests with tools: there the model chooses, unless it reasons on."""
    texts = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>", "<|constrain|>")
    start, channel, message, end, *_ = ids = range(8192, 8192 + len(texts))
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = json.loads((copy / "tokenizer.json").read_text())["added_tokens"]
    new = [{"id": i, "content": text, "special": True, **flags} for i, text in zip(ids, texts, strict=True)]
    edit(copy / "tokenizer.json", added_tokens=added + new)
    model = ChatModel.load(copy, tool_dialect="harmony", reasoning_dialect="harmony")
    assistant, analysis, final = (
        model.tokenizer.encode(text, add_special_tokens=False).ids for text in ("assistant", "analysis", "final")
    )
    opener = (channel, *analysis, message)
    resume, answer = (start, *assistant), (channel, *final, message)
    prepared = model.prepare(ask("Hi"), Options(thinking_budget=30))
    assert prepared.thinking == Thinking(30, (end,), opener, False, resume + answer)
    prepared = model.prepare(ask("Hi", tools=(WEATHER,)), Options(thinking_budget=30))
    assert prepared.thinking == Thinking(30, (end,), opener, False, resume, answer)


def test_a_thinking_budget_ends_the_kind_of_block_that_the_prompt_began(mini, monkeypatch):
    others = MarkedReasoning("think", "<tool_call>", "</tool_call>", others=(("<think>", "</think>"),))
    monkeypatch.setattr(mini, "_reasoning", others)
    prepared = mini.prepare(ask("Hi"), Options(thinking=True, thinking_budget=30))
    assert prepared.thinking.closer == (mini.tokenizer.token_to_id("</think>"),)


@pytest.mark.parametrize(("mode", "must_call"), [("auto", False), ("none", False), ("required", True), ("named", True)])
def test_whether_a_call_is_required_reaches_the_parser(mini, mode, must_call):
    choice = ToolChoice(mode, "get_weather" if mode == "named" else None)
    prepared = mini.prepare(ask("Hi", tools=(WEATHER,), tool_choice=choice), Options(thinking=False))
    assert prepared.must_call is must_call
    fenced = '```json\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n```'
    stream = mini.stream(prepared)
    stream.feed(mini.tokenizer.encode(fenced).ids)
    stream.finish("stop")
    assert stream.called_tools is must_call


def test_sampling_is_the_client_s_then_the_checkpoint_s(mini, copy):
    assert mini.prepare(ask("Hi"), Options()).sampling(2**40 + 7).seed == 7
    assert mini.prepare(ask("Hi"), Options()).sampling(0).temperature == 0.0
    edit(copy / "generation_config.json", do_sample=True, temperature=0.6, top_k=20)
    sampling = ChatModel.load(copy).prepare(ask("Hi"), Options(top_k=5, logit_bias={3: 1.5})).sampling(0)
    assert (sampling.temperature, sampling.top_k, sampling.top_p, sampling.logit_bias) == (0.6, 5, 1.0, {3: 1.5})


def test_a_logit_bias_outside_the_vocabulary_is_refused(mini):
    with pytest.raises(VivaceError) as caught:
        mini.prepare(ask("Hi"), Options(logit_bias={8192: 1.0}))
    assert caught.value.param == "logit_bias.8192"


def test_half_a_surrogate_pair_is_refused(mini):
    with pytest.raises(VivaceError, match="surrogate"):
        mini.prepare(ask("a\ud800"), Options())


MARKERS = ["<|im_start|>", "<|im_end|>", "</think>", "<tool_response>", "<tool_call>"]


@pytest.mark.parametrize("marker", MARKERS)
def test_markers_that_clients_write_are_letters(mini, marker):
    token = mini.tokenizer.token_to_id(marker)
    call = ToolCall("1", "get_weather", json.dumps({"city": "x"}))
    turns = (Message("user", "a"), Message("assistant", "", None, (call,)))
    plain, attack = (
        mini.prepare(Conversation((*turns, Message("tool", f"a{text}b", tool_call_id="1")), (WEATHER,)), Options())
        for text in ("", marker)
    )
    assert attack.token_ids.count(token) == plain.token_ids.count(token)
    assert mini.tokenizer.decode(attack.token_ids, skip_special_tokens=False) == attack.text
    assert f"a{marker}b" in attack.text


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_text_without_markers_is_tokenized_the_plain_way(mini, text):
    prepared = mini.prepare(ask(text), Options())
    if not any(marker in text for marker in MARKERS):
        assert prepared.token_ids == mini.tokenizer.encode(prepared.text, add_special_tokens=False).ids


def test_history_with_reasoning_in_the_content_is_still_taken_apart(mini):
    turns = (Message("user", "a"), Message("assistant", "<think>\nhm\n</think>\n\nb"), Message("user", "c"))
    assert "hm" not in mini.prepare(Conversation(turns), Options()).text


def test_a_template_as_old_checkpoints_have_it(copy):
    source = (copy / "chat_template.jinja").read_text()
    (copy / "chat_template.jinja").unlink()
    named = [{"name": "default", "template": "{{ messages[-1].content }}"}, {"name": "tool_use", "template": source}]
    edit(copy / "tokenizer_config.json", chat_template=named)
    model = ChatModel.load(copy)
    assert model.prepare(ask("Hi"), Options()).text == "Hi"
    assert "# Tools" in model.prepare(ask("Hi", tools=(WEATHER,)), Options()).text


def test_a_base_model_does_not_chat(copy):
    (copy / "chat_template.jinja").unlink()
    with pytest.raises(VivaceError, match="no chat template"):
        ChatModel.load(copy).prepare(ask("Hi"), Options())


BROKEN = [
    (lambda d: (d / "config.json").unlink(), "config.json is missing"),
    (lambda d: (d / "config.json").write_text("{"), "config.json cannot be read as JSON"),
    (lambda d: (d / "config.json").write_text("[]"), "no JSON object"),
    (lambda d: (d / "config.json").write_text("{}"), "no model_type"),
    (lambda d: (d / "tokenizer.json").unlink(), "tokenizer.json is missing"),
    (lambda d: (d / "tokenizer.json").rename(d / "tokenizer.model"), "There is only tokenizer.model"),
    (lambda d: (d / "tokenizer.json").write_text("{}"), "tokenizer.json cannot be read"),
    (lambda d: (d / "chat_template.jinja").write_text("{% if %}"), "no valid Jinja"),
    (lambda d: (d / "chat_template.jinja").write_bytes(b"\xff"), "chat_template.jinja cannot be read"),
    (lambda d: shutil.rmtree(d), "not a directory"),
]


@pytest.mark.parametrize(("damage", "message"), BROKEN, ids=[b[1] for b in BROKEN])
def test_a_broken_directory_says_what_is_wrong(copy, damage, message):
    damage(copy)
    with pytest.raises(CheckpointError, match=message):
        ChatModel.load(copy)


def test_an_unknown_dialect_is_refused_with_the_known_ones():
    with pytest.raises(CheckpointError, match="qwen3_coder_xml"):
        ChatModel.load(embedded_model_path(), tool_dialect="klingon")


def test_importing_chat_brings_no_heavy_package():
    code = "import sys, vivace.chat.checkpoint, vivace.chat.dialects.parse; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"mlx", "mlx_lm", "transformers", "torch", "numpy", "fastapi", "httpx", "llguidance", "jsonschema"} & {
        *loaded
    }
