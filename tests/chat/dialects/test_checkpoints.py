"""What `auto` chooses for published checkpoints, and what makes their table worth testing against."""

import pytest

from tests.chat.dialects.checkpoints import CHECKPOINTS, Known
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS, choose
from vivace.chat.dialects.choice import REASONING_SIGNS, TOOL_SIGNS, Sign


@pytest.mark.parametrize("known", CHECKPOINTS, ids=lambda c: c.id)
def test_auto_chooses_what_the_checkpoint_speaks(known: Known):
    choice = choose(known.text, known.tokens, known.model_type)
    assert choice.tool in (known.tool, *known.also_tool), choice.reasons["tool"]
    assert choice.reasoning in (known.reasoning, *known.also_reasoning), choice.reasons["reasoning"]


def test_names_that_are_given_go_before_any_sign():
    qwen = next(c for c in CHECKPOINTS if c.id == "Qwen/Qwen3-0.6B")
    choice = choose(qwen.text, qwen.tokens, qwen.model_type, "mistral", "none")
    assert (choice.tool, choice.reasoning) == ("mistral", "none")
    assert set(choice.reasons.values()) == {"set by the user"}


def test_the_reason_names_the_signs():
    sign = Sign("x", ("<a>", "<b>"), ("<c>",), ("<d>",), ("llama",))
    assert sign.reason("llama4") == (
        "the chat template contains <a> and <b>, not <c>, the vocabulary has the token <d>, model_type is llama4"
    )
    assert choose("", (), "llama").reasons["tool"] == "neither chat template nor vocabulary show a known form"


def test_every_sign_names_a_dialect_and_every_one_of_them_is_chosen_for_some_checkpoint():
    assert {s.dialect for s in TOOL_SIGNS} - set(TOOL_DIALECTS) == set()
    assert {s.dialect for s in REASONING_SIGNS} - set(REASONING_DIALECTS) == set()
    chosen = {choose(c.text, c.tokens, c.model_type).tool for c in CHECKPOINTS}
    assert {s.dialect for s in TOOL_SIGNS} - chosen == {"mistral_v11"}  # no template of that generation at hand


def test_every_checkpoint_is_there_once_with_a_short_excerpt_and_a_source():
    assert len({c.id for c in CHECKPOINTS}) == len(CHECKPOINTS)
    assert [c.id for c in CHECKPOINTS if not 1 <= len(c.template) <= 12 or not c.source] == []
    assert [c.id for c in CHECKPOINTS if c.verified == bool(c.reason)] == []
    assert sum(c.verified for c in CHECKPOINTS) >= 60


def test_the_same_marker_stands_for_several_dialects():
    def tools(marker):
        return {c.tool for c in CHECKPOINTS if c.verified and marker in c.text}

    assert tools("<tool_call>") >= {"hermes", "qwen3_coder_xml", "nemotron", "glm45", "glm47", "exaone4", "minimax_m3"}
    assert tools("<function=") >= {"qwen3_coder_xml", "nemotron", "seed_oss", "functionary_v31"}
    assert tools("<｜tool▁sep｜>") == {"deepseek_v3", "deepseek_v31"}
    assert tools("<tool_calls>") >= {"jamba", "hunyuan", "none"}
    assert {c.variant for c in CHECKPOINTS if c.tool.startswith("mistral")} == {"array", "call_id", "args"}


def test_one_model_type_speaks_several_dialects():
    def tools(model_type):
        return {c.tool for c in CHECKPOINTS if c.model_type == model_type}

    assert tools("llama") >= {"llama3", "hermes", "deepseek_v3", "functionary_v32", "xlam", "none"}
    assert tools("qwen3") == {"hermes", "deepseek_v3"}
    assert tools("seed_oss") == {"seed_oss", "hermes"}
    assert sum(c.directory is not None for c in CHECKPOINTS) >= 5
