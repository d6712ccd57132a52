import pytest

from tests.chat.builders import call, parser, run
from vivace.chat.dialects import REASONING_DIALECTS
from vivace.chat.dialects.base import Piece
from vivace.chat.dialects.parse import fold
from vivace.chat.events import ToolCallFinished

PARIS = call("get_weather", city="Paris")

# opened by the prompt, text, reasoning, content
VECTORS = [
    ("a block at the start", False, "<think>\nhm\n</think>\n\nYes.", "hm", "Yes."),
    ("opened by the prompt", True, "hm\n</think>\n\nYes.", "hm", "Yes."),
    ("the opener repeated", True, "<think>\nhm\n</think>\n\nYes.", "hm", "Yes."),
    ("the opener repeated, once", True, "<think><think>hm</think>Yes.", "<think>hm", "Yes."),
    ("nothing thought", True, "\n</think>\n\nYes.", None, "Yes."),
    ("white space before the opener", False, "\n <think>hm</think>Yes.", "hm", "Yes."),
    ("only two newlines are the separator", False, "<think>hm</think>\n\n\n Yes.\n", "hm", "\n Yes.\n"),
    ("blank lines inside", True, "a\n\n b \n\n</think>c", "a\n\n b \n", "c"),
    ("never closed", True, "hm\n", "hm\n", None),
    ("no reasoning", False, "Yes.", None, "Yes."),
    ("a closer alone", False, "Yes.</think> No.", None, "Yes.</think> No."),
    ("inline", False, "The tag <think> opens.", None, "The tag <think> opens."),
    ("in a fence", False, "See\n```\n<think>\n```\n", None, "See\n```\n<think>\n```\n"),
    ("a second block", False, "<think>a</think>b\n<think>c</think>d", "ac", "b\nd"),
    ("an unfinished marker", True, "a </thin", "a </thin", None),
]


@pytest.mark.parametrize(
    ("is_open", "text", "reasoning", "content"), [v[1:] for v in VECTORS], ids=[v[0] for v in VECTORS]
)
@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_reasoning_and_content_come_apart(is_open, text, reasoning, content, size):
    answer = fold(run([text[i : i + size] for i in range(0, len(text), size)], parser(is_open=is_open)))
    assert (answer["reasoning_content"], answer["content"]) == (reasoning, content)


def test_an_opener_token_counts_anywhere_but_its_letters_nowhere():
    pieces = ["a ", Piece("<think>", True), "b <think> </think> c", Piece("</think>", True), "d\n<think>e"]
    answer = fold(run(pieces, parser(tokens=("<think>", "</think>"))))
    assert answer["reasoning_content"] == "b <think> </think> c"
    assert answer["content"] == "a d\n<think>e"


def test_a_call_in_the_reasoning_is_promoted_when_none_follows():
    events = run([f"I shall call\n{PARIS}\n</think>\n\n"], parser(is_open=True))
    assert fold(events)["tool_calls"] == [{"name": "get_weather", "arguments": '{"city": "Paris"}'}]
    assert [e.repaired for e in events if isinstance(e, ToolCallFinished)] == ["the call stood in the reasoning"]


def test_a_call_in_the_reasoning_stays_there_when_one_follows():
    rome = call("get_weather", city="Rome")
    answer = fold(run([f"Maybe {PARIS}\n</think>\n\n{rome}"], parser(is_open=True)))
    assert answer["tool_calls"] == [{"name": "get_weather", "arguments": '{"city": "Rome"}'}]


def test_an_incomplete_call_in_the_reasoning_is_not_promoted():
    answer = fold(run([f"Maybe {PARIS[:-30]} no.\n</think>\n\nNo call."], parser(is_open=True)))
    assert answer["tool_calls"] == []
    assert answer["content"] == "No call."


@pytest.mark.parametrize(
    ("prompt", "is_open"),
    [
        ("<|im_start|>assistant\n<think>\n", True),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", False),
        ("<|im_start|>assistant\n", False),
        ("<|im_start|>user\nwhat is <think>?<|im_end|>\n<|im_start|>assistant\n", False),
    ],
)
def test_the_rendered_prompt_says_whether_reasoning_is_open(prompt, is_open):
    assert REASONING_DIALECTS["think"].open_in(prompt) is is_open
    assert not REASONING_DIALECTS["none"].open_in(prompt)
