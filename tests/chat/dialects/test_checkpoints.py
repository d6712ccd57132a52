"""The table itself: what makes it worth testing against."""

from tests.chat.dialects.checkpoints import CHECKPOINTS


def test_every_checkpoint_is_there_once_with_a_short_excerpt_and_a_source():
    assert len({c.id for c in CHECKPOINTS}) == len(CHECKPOINTS)
    assert [c.id for c in CHECKPOINTS if not 1 <= len(c.template) <= 12 or not c.source] == []
    assert [c.id for c in CHECKPOINTS if c.verified == bool(c.reason)] == []
    assert sum(c.verified for c in CHECKPOINTS) >= 60


def test_the_same_marker_stands_for_several_dialects():
    def tools(marker):
        return {c.tool for c in CHECKPOINTS if c.verified and marker in c.text}

    assert tools("<tool_call>") >= {"hermes", "qwen3_coder_xml", "nemotron", "glm47", "exaone4", "none"}
    assert tools("<function=") >= {"qwen3_coder_xml", "nemotron", "seed_oss", "functionary"}
    assert tools("<｜tool▁sep｜>") == {"deepseek_v3", "deepseek_v31"}
    assert tools("<tool_calls>") >= {"jamba", "hunyuan", "none"}
    assert {c.variant for c in CHECKPOINTS if c.tool == "mistral"} == {"array", "call_id", "args"}


def test_one_model_type_speaks_several_dialects():
    def tools(model_type):
        return {c.tool for c in CHECKPOINTS if c.model_type == model_type}

    assert tools("llama") >= {"llama3", "hermes", "deepseek_v3", "functionary", "xlam", "none"}
    assert tools("qwen3") == {"hermes", "deepseek_v3"}
    assert tools("seed_oss") == {"seed_oss", "hermes"}
    assert sum(c.directory is not None for c in CHECKPOINTS) >= 5
