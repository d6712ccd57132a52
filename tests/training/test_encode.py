import hashlib

import pytest

from tests.training.digests import RECORDED
from training import data
from training.encode import Encoder, render, render_prompt
from training.evaluation.suites import SUITES, held_out
from training.sample import Sample, bot, user
from training.tokenizer import trained_tokenizer

TOKENIZER = trained_tokenizer()


def trained_text(sample: Sample) -> list[str]:
    """The stretches of the conversation that the loss is on."""
    ids, weights = Encoder(TOKENIZER).encode(sample)
    stretches: list[list[int]] = [[]]
    for token, weight in zip(ids.tolist(), weights.tolist(), strict=True):
        if weight == 1:
            stretches[-1].append(token)
        elif stretches[-1]:
            stretches.append([])
    return [TOKENIZER.decode(stretch, skip_special_tokens=False) for stretch in stretches if stretch]


@pytest.mark.parametrize("prompt_weight", RECORDED["encoded"])
def test_ids_and_weights_are_those_of_training(prompt_weight: str) -> None:
    encoder, sha = Encoder(TOKENIZER, float(prompt_weight)), hashlib.sha256()
    for i in range(200):
        ids, weights = encoder.encode(data.sample(100_000_000_000 + i))
        sha.update(ids.tobytes() + weights.tobytes())
    assert sha.hexdigest() == RECORDED["encoded"][prompt_weight]


@pytest.mark.parametrize("suite", SUITES)
def test_a_prompt_is_a_prefix_of_its_conversation(suite: str) -> None:
    for sample in held_out(suite, 3 if suite == "retrieval_8k" else 20):
        assert render(sample.messages, sample.tools).startswith(render_prompt(sample))


def test_the_answer_alone_is_trained_when_the_prompt_holds_the_empty_reasoning() -> None:
    sample = Sample("chat", [user("Hi"), {"role": "assistant", "content": "Hello!"}], think=False)
    assert trained_text(sample) == ["Hello!<|im_end|>"]


def test_reasoning_is_trained_behind_its_opener() -> None:
    sample = Sample("chat", [user("Hi"), bot("Hello!", "A greeting.")], think=True)
    assert trained_text(sample) == ["A greeting.\n</think>\n\nHello!<|im_end|>"]


def test_earlier_turns_of_a_reasoning_conversation_are_not_trained() -> None:
    turns = [user("Hi"), bot("Hello!", "A greeting."), user("Bye"), bot("See you.", "The end.")]
    assert trained_text(Sample("chat", turns, think=True)) == ["The end.\n</think>\n\nSee you.<|im_end|>"]
