"""The server must ask the embedded model in the words that it was trained on, to the token."""

import pytest

from training.encode import Encoder, render, render_prompt
from training.evaluation.server import request_body
from training.evaluation.suites import SUITES, held_out
from training.tokenizer import trained_tokenizer
from vivace.assets import embedded_model_path
from vivace.chat.checkpoint import ChatModel
from vivace.server.wires.openai_chat_decode import decode

MINI = ChatModel.load(embedded_model_path())
ENCODER = Encoder(trained_tokenizer())


@pytest.mark.parametrize("suite", SUITES)
def test_a_request_becomes_the_prompt_of_training(suite: str) -> None:
    for sample in held_out(suite, 2 if suite == "retrieval_8k" else 15):
        call = decode(request_body(sample, "vivace-mini"))
        prepared = MINI.prepare(call.conversation, call.options)
        assert prepared.text == render_prompt(sample)
        assert prepared.token_ids == ENCODER.prompt(sample)
        assert prepared.reasoning_open is bool(sample.think)


def test_transformers_renders_the_template_as_the_training_code_does() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(embedded_model_path())
    for suite in ("persona", "arithmetic", "tool_parallel", "agent", "chain", "tool_error"):
        for sample in held_out(suite, 10):
            theirs = tokenizer.apply_chat_template(sample.messages, tools=sample.tools, tokenize=False)
            assert theirs == render(sample.messages, sample.tools)
