import json

import pytest

from training.encode import render, render_prompt
from training.evaluation.judge import judge_text, parse_calls
from training.evaluation.suites import SUITES, held_out
from training.sample import Check, Sample, user

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    },
}
CALL = (
    "<tool_call>\n<function=weather>\n"
    "<parameter=city>\n{}\n</parameter>\n<parameter=days>\n{}\n</parameter>\n"
    "</function>\n</tool_call>"
)


def asked(check: Check, think: bool = False) -> Sample:
    return Sample("any", [user("?"), {"role": "assistant", "content": ""}], [WEATHER], check, think)


def target(sample: Sample) -> str:
    """What the sample's author would answer, as the model would write it."""
    return render(sample.messages, sample.tools)[len(render_prompt(sample)) :].removesuffix("<|im_end|>\n")


@pytest.mark.parametrize("suite", SUITES)
def test_every_target_passes_its_own_check(suite: str) -> None:
    for sample in held_out(suite, 3 if suite == "retrieval_8k" else 40):
        assert judge_text(sample, target(sample)), sample.check


@pytest.mark.parametrize("suite", SUITES)
def test_nonsense_and_silence_pass_no_check(suite: str) -> None:
    for sample in held_out(suite, 3 if suite == "retrieval_8k" else 20):
        for output in ("", "I think</think>\n\n", "Purple monkeys swim", "</think>\n\nPurple monkeys swim"):
            assert not judge_text(sample, output)


MONDAY = ("calls", [{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}])
VERDICTS: list[tuple[Check, str, bool]] = [
    (("exact", "blue"), " blue\n", True),
    (("exact", "blue"), "blue.", False),
    (("contains", ["Ada", "Oslo"]), "Ada lives in Oslo.", True),
    (("contains", ["Ada", "Oslo"]), "Ada lives in Rome.", False),
    (("oneof", ["Hi!", "Hello!"]), "Hello!", True),
    (("oneof", ["Hi!", "Hello!"]), "Hey!", False),
    (("number", "513"), "127 + 386 = 513.", True),
    (("number", "513"), "The answer is 5130.", False),
    (("number", "513"), "513 is wrong. The answer is 514.", False),
    (("number", "5"), "The answer is 3.5", False),
    (("code", "for x in a:\n    use(x)"), "for item in a:\n    use(item)", True),
    (("code", "for x in a:\n    use(x)"), "for item in b:\n    use(item)", False),
    (("json", {"a": 1}), '{"a": 1}', True),
    (("json", {"a": 1}), '{"a": "1"}', False),
    (("json", {"a": 1}), 'Here: {"a": 1}', False),
    (("long", 3), "Once upon a time.", True),
    (("long", 3), "Once upon a", False),
    (("long", 3), "Once.", False),
    (("list", "colors", 2), "red and blue", True),
    (("list", "colors", 2), "1. red\n2. blue", True),
    (("list", "colors", 2), "red and red", False),
    (("list", "colors", 2), "red and Paris", False),
    (MONDAY, CALL.format("Oslo", 3), True),
    (MONDAY, CALL.format("Oslo", 4), False),
    (MONDAY, "I look.\n\n" + CALL.format("Oslo", 3), False),
    (MONDAY, CALL.format("Oslo", 3) * 2, False),
    (MONDAY, CALL.replace("function=", "func="), False),
]


@pytest.mark.parametrize(("check", "output", "verdict"), VERDICTS)
def test_answers_are_judged_by_their_meaning(check: Check, output: str, verdict: bool) -> None:
    assert judge_text(asked(check), output) is verdict


@pytest.mark.parametrize(("output", "verdict"), [("Sky.\n</think>\n\nblue", True), ("blue", False)])
def test_a_reasoning_answer_must_end_its_reasoning(output: str, verdict: bool) -> None:
    assert judge_text(asked(("exact", "blue"), think=True), output) is verdict


def test_values_of_calls_have_the_type_of_their_schema() -> None:
    assert parse_calls(CALL.format("12", "7"), [WEATHER]) == [
        {"name": "weather", "arguments": {"city": "12", "days": 7}}
    ]
    assert parse_calls(CALL.format("12", "soon"), [WEATHER])[0]["arguments"]["days"] == "soon"


def test_the_template_writes_arguments_given_as_text_as_it_writes_those_given_as_objects() -> None:
    for suite in ("tool_random", "tool_parallel", "agent", "chain", "tool_error"):
        for sample in held_out(suite, 20):
            as_text = json.loads(json.dumps(sample.messages))
            for call in (call for message in as_text for call in message.get("tool_calls", [])):
                call["function"]["arguments"] = json.dumps(call["function"]["arguments"], ensure_ascii=False)
            assert render(as_text, sample.tools) == render(sample.messages, sample.tools)
