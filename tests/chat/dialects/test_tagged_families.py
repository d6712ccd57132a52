"""Special cases of the families with tags: values as their templates write them, and what the models get wrong."""

import json

import pytest

from tests.chat.builders import call, run, tool
from tests.chat.dialects.families import parser, pieces, plain
from vivace.chat.dialects import REASONING_DIALECTS
from vivace.chat.dialects.base import Piece
from vivace.chat.dialects.json_scanner import MENDED
from vivace.chat.dialects.parse import fold
from vivace.chat.dialects.value_writer import SURPLUS
from vivace.chat.events import TextDelta, ToolCallFinished

PUT = tool(
    "put",
    s={"type": "string"},
    t={"type": "boolean"},
    n={"type": "null"},
    f={"type": "number"},
    l={"type": "array"},
    o={"type": "object"},
    x={},
)
NOT_CLOSED = "the call was not closed at the end of the output"
CLICK = tool("click", "point", point={"type": "string"})
DSML = "⟦｜DSML｜⟧"


def dsml(body: str, block: str = "tool_calls") -> str:
    text = f'<|{block}>\n<|invoke name="put">\n{body}</|invoke>\n</|{block}>'
    return text.replace("</|", f"</{DSML}").replace("<|", f"<{DSML}")


def m3(body: str) -> str:
    text = f'<tool_call>\n<invoke name="put">{body}</invoke>\n</tool_call>'
    return text.replace("<", "⟦]<]minimax[>[⟧<")


def hy(body: str) -> str:
    return f"⟦<tool_calls:opensource>⟧\n⟦<tool_call:opensource>⟧{body}\n⟦</tool_calls:opensource>⟧"


def qwen(**values: str) -> str:
    return call("put", **values).replace("<tool_call>", "⟦<tool_call>⟧").replace("</tool_call>", "⟦</tool_call>⟧")


# family, what the model writes, arguments of its one call, why they are repaired
VECTORS = [
    (
        "seed_oss",
        "⟦<seed:tool_call>⟧\n<function=put>\n<parameter=s>a\n b </parameter>\n<parameter=t>True</parameter>\n"
        "<parameter=n>None</parameter>\n<parameter=l>[1, 'x', True]</parameter>\n"
        "<parameter=o>{'k': 'v', 'z': None}</parameter>\n</function>\n⟦</seed:tool_call>⟧",
        {"s": "a\n b ", "t": True, "n": None, "l": [1, "x", True], "o": {"k": "v", "z": None}},
        None,
    ),
    ("seed_oss", "<function=put>\n<parameter=s>a</parameter>\n</function>", {"s": "a"}, "the call had no wrapper"),
    (
        "minicpm",
        '⟦<function⟧ name="put">⟦<param⟧ name="s"><![CDATA[a\n </param> ]]> b ]]>⟦</param>⟧'
        '⟦<param⟧ name="t">True⟦</param>⟧⟦</function>⟧',
        {"s": "a\n </param> ]]> b ", "t": True},
        None,
    ),
    ("minicpm", '⟦<function⟧ name="put">⟦<param⟧ name="s">a⟦</param>⟧', {"s": "a"}, NOT_CLOSED),
    ("nemotron", '⟦<tool_call>⟧\n{"name": "put", "arguments": {"f": 1.5}}\n⟦</tool_call>⟧', {"f": 1.5}, None),
    ("nemotron", '<TOOLCALL>[{"name": "put", "arguments": {"f": 1.5}}]</TOOLCALL>', {"f": 1.5}, None),
    (
        "nemotron",
        "⟦<tool_call>⟧<function=put><parameter=s>a</parameter><parameter=f>2</parameter></function>⟦</tool_call>⟧",
        {"s": "a", "f": 2},
        None,
    ),
    (
        "nemotron_v2",
        '<TOOLCALL>[{"name": "put", "arguments": "{\\"f\\": 1.5}"}]</TOOLCALL>',
        {"f": 1.5},
        "the arguments were JSON within a string",
    ),
    (
        "deepseek_v4",
        dsml(f'<{DSML}parameter name="x" string="true">42</{DSML}parameter>\n'),
        {"x": "42"},
        None,
    ),
    (
        "deepseek_v4",
        dsml(f'<{DSML}parameter name="x" string="false">42</{DSML}parameter>\n'),
        {"x": 42},
        None,
    ),
    ("deepseek_v4", dsml(f'<{DSML}parameter name="f">42</{DSML}parameter>\n'), {"f": 42}, None),
    ("deepseek_v4", dsml('{"s": "</a>", "f": 1}\n'), {"s": "</a>", "f": 1}, None),
    ("deepseek_v4", dsml("\n"), {}, None),
    ("deepseek_v4", dsml("", "function_calls"), {}, None),
    (
        "minimax_m3",
        m3("<s>a\n</s><t>true</t><l><item>1</item><item><k>v</k></item></l><o><k>v</k><z><y>2</y></z></o>"),
        {"s": "a\n", "t": True, "l": [1, {"k": "v"}], "o": {"k": "v", "z": {"y": 2}}},
        None,
    ),
    ("minimax_m3", m3("<l></l><o></o><s></s>"), {"l": [], "o": {}, "s": ""}, None),
    ("minimax_m3", m3("<x><item>a</item></x>"), {"x": ["a"]}, None),
    ("minimax_m3", m3("<s>a"), {"s": "a"}, "a parameter was not closed"),
    ("minimax_m3", m3("<o><k>1"), {"o": {"k": 1}}, "a parameter was not closed"),
    (
        "step3",
        "⟦<｜tool_calls_begin｜>⟧\n⟦<｜tool_call_begin｜>⟧function⟦<｜tool_sep｜>⟧"
        '<steptml:invoke name="put">\n<steptml:parameter name="s">a</steptml:parameter>\n</steptml:invoke>'
        "⟦<｜tool_call_end｜>⟧\n⟦<｜tool_calls_end｜>⟧",
        {"s": "a"},
        None,
    ),
    (
        "step3",
        '<steptml:toolcall>\n<steptml:invoke name="put">\n<steptml:parameter name="f">1</steptml:parameter>\n'
        "</steptml:invoke>\n</steptml:toolcall>",
        {"f": 1},
        None,
    ),
    (
        "longcat",
        "⟦<longcat_tool_call>⟧put\n⟦<longcat_arg_key>⟧s⟦</longcat_arg_key>⟧\n⟦<longcat_arg_value>⟧a"
        "⟦</longcat_arg_value>⟧\n⟦</longcat_tool_call>⟧",
        {"s": "a"},
        None,
    ),
    (
        "k2_horizon",
        "⟦<ifm|tool_calls>⟧\n⟦<ifm|tool_call>⟧put\n⟦<ifm|arg_key>⟧f⟦</ifm|arg_key>⟧⟦<ifm|arg_type>⟧number"
        "⟦</ifm|arg_type>⟧⟦<ifm|arg_value>⟧1⟦</ifm|arg_value>⟧\n⟦</ifm|tool_call>⟧\n⟦</ifm|tool_calls>⟧",
        {"f": 1},
        None,
    ),
    (
        "k2_horizon",
        '⟦<ifm|tool_calls>⟧⟦<ifm|tool_call>⟧{"name": "put", "arguments": {"f": 1}}⟦</ifm|tool_call>⟧'
        "⟦</ifm|tool_calls>⟧",
        {"f": 1},
        None,
    ),
    ("hy_v3", hy('put⟦<tool_sep:opensource>⟧{"s": "a"}⟦</tool_call:opensource>⟧'), {"s": "a"}, None),
    ("hy_v3", hy('put⟦<tool_sep:opensource>⟧{"s": "a"}<end_of_tool_call:opensource>'), {"s": "a"}, None),
    ("hy_v3", hy("put⟦<tool_sep:opensource>⟧\n⟦</tool_call:opensource>⟧"), {}, None),
    ("hy_v3", "⟦<tool_calls>⟧\n⟦<tool_call>⟧put⟦<tool_sep>⟧\n⟦</tool_call>⟧\n⟦</tool_calls>⟧", {}, None),
    (
        "qwen3_coder_xml",
        '⟦<tool_call>⟧\n<function=put>\n{"s": "a"}\n</function>\n⟦</tool_call>⟧',
        {"s": "a"},
        "the arguments were a JSON object",
    ),
    (
        "qwen3_coder_xml",
        qwen(o="{'k': \"it's\", 'z': [None, (1, 2)]}"),
        {"o": {"k": "it's", "z": [None, [1, 2]]}},
        None,
    ),
    ("qwen3_coder_xml", qwen(o='{"k": "a\nb", "z": [1'), {"o": {"k": "a\nb", "z": [1]}}, MENDED),
    ("qwen3_coder_xml", qwen(o='{"k": "</parameter>"}}', s="a"), {"o": {"k": "</parameter>"}, "s": "a"}, SURPLUS),
    ("qwen3_coder_xml", qwen(x='{"k": 1', l='["x" "y"]'), {"x": '{"k": 1', "l": ["x", "y"]}, MENDED),
    ("minimax_m3", m3('<o>{"k": [1, }</o>'), {"o": {"k": [1]}}, MENDED),
    ("minimax_m3", m3("<l>['a']</l>"), {"l": ["a"]}, None),
]


@pytest.mark.parametrize(("family", "text", "arguments", "repaired"), VECTORS)
@pytest.mark.parametrize("as_tokens", [False, True])
@pytest.mark.parametrize("size", [1, 1000])
def test_calls(family, text, arguments, repaired, as_tokens, size):
    fed = pieces(text, size) if as_tokens else pieces(plain(text), size)
    tokens = frozenset(p.text for p in pieces(text) if p.marker)
    events = run(fed, parser(family, [PUT], as_tokens, tokens=tokens if as_tokens else frozenset()))
    (made,) = fold(events)["tool_calls"]
    assert json.loads(made["arguments"]) == arguments
    assert fold(events)["content"] is None
    (reason,) = [e.repaired for e in events if isinstance(e, ToolCallFinished)]
    assert reason == repaired


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("qwen3_coder_xml", qwen(o='{"k": 1} as you wish', s="a")),
        ("minimax_m3", m3('<o>{"k": 1} as you wish</o><s>a</s>')),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_text_behind_an_object_is_not_lost(family, text, size):
    events = run(pieces(text, size), parser(family, [PUT], as_tokens=True))
    assert json.loads(fold(events)["tool_calls"][0]["arguments"]) == {"o": {"k": 1}, "s": "a"}
    assert fold(events)["content"] == "as you wish"
    assert events[-1].repaired == SURPLUS


@pytest.mark.parametrize("others", [True, {"type": "string"}, False, None])
def test_parameters_that_are_not_declared_end_a_value_where_the_schema_lets_them_be(others):
    some = tool("put", s={"type": "string"})
    some.parameters.update({"additionalProperties": others} if others is not None else {})
    (made,) = fold(run(pieces(qwen(s="a", other="b"), 3), parser("qwen3_coder_xml", [some], as_tokens=True)))[
        "tool_calls"
    ]
    whole = {"s": "a\n</parameter>\n<parameter=other>\nb"}
    assert json.loads(made["arguments"]) == ({"s": "a", "other": "b"} if others else whole)


@pytest.mark.parametrize("behind", ["", "⟦</tool_call>⟧"])
def test_what_an_object_lost_counts_if_the_token_limit_cuts_the_rest_of_the_call(behind):
    answer = parser("qwen3_coder_xml", [PUT], as_tokens=True)
    text = qwen(o='{"k": [1}').removesuffix("⟦</tool_call>⟧") + behind
    events = [event for piece in pieces(text, 3) for event in answer.feed(piece)] + answer.finish(cut=True)
    assert json.loads(fold(events)["tool_calls"][0]["arguments"]) == {"o": {"k": [1]}}
    assert events[-1].repaired == MENDED


def test_a_token_ends_a_message_within_a_value():
    text = (
        ' to=put⟦<|message|>⟧<atem:function_calls>\n<atem:invoke name="put">\n<atem:parameter name="s">a</at⟦<|eom|>⟧'
    )
    events = run(pieces(text), parser("muse", [PUT], as_tokens=True, tokens=frozenset({"<|eom|>"})))
    (made,) = fold(events)["tool_calls"]
    assert json.loads(made["arguments"]) == {"s": "a</at"}
    assert events[-1].repaired == "a parameter was not closed"


ACTIONS = [
    ("Action: click(point='<point>200 300</point>')", ["<point>200 300</point>"], None),
    ("Thought: I see\\n it.\nAction: click(point='it\\'s')", ["it's"], "Thought: I see\\n it.\n"),
    ("Action: click(point='a')\n\nclick(point='b')", ["a", "b"], None),
    ("Action: click(point='⟦<|box_start|>⟧(2,3)⟦<|box_end|>⟧')", ["<|box_start|>(2,3)<|box_end|>"], None),
]


@pytest.mark.parametrize(("text", "points", "content"), ACTIONS)
@pytest.mark.parametrize("size", [1, 1000])
def test_actions_of_ui_tars(text, points, content, size):
    answer = fold(run(pieces(text, size), parser("ui_tars", [CLICK], as_tokens=True)))
    assert [json.loads(c["arguments"])["point"] for c in answer["tool_calls"]] == points
    assert answer["content"] == content


MUSE = [
    (" to=self⟦<|message|>⟧hm⟦<|eom|>⟧⟦<|start|>⟧assistant to=user⟦<|message|>⟧Yes.⟦<|eot|>⟧", "hm", "Yes."),
    (
        ' to=user⟦<|message|>⟧Like\n<atem:function_calls>\n<atem:invoke name="put">\n</atem:invoke>\n'
        "</atem:function_calls>\nso.",
        None,
        'Like\n<atem:function_calls>\n<atem:invoke name="put">\n</atem:invoke>\n</atem:function_calls>\nso.',
    ),
    (" to=nobody⟦<|message|>⟧1⟦<|eot|>⟧", None, " to=nobody<|message|>1"),
    (" to=nobody⟦<|message|>⟧⟦<|eot|>⟧", None, " to=nobody<|message|>"),
    ("Yes.", None, "Yes."),
]


@pytest.mark.parametrize(("text", "reasoning", "content"), MUSE)
@pytest.mark.parametrize("as_tokens", [False, True])
@pytest.mark.parametrize("size", [1, 1000])
def test_messages_of_muse(text, reasoning, content, as_tokens, size):
    fed = pieces(text, size) if as_tokens else pieces(plain(text), size)
    tokens = frozenset({"<|eot|>"}) if as_tokens else frozenset()
    answer = fold(run(fed, parser("muse", [PUT], as_tokens=as_tokens, reasoning="muse", tokens=tokens)))
    assert (answer["reasoning_content"], answer["content"]) == (reasoning, content)
    assert not answer["tool_calls"]


def test_the_token_that_ends_a_message_is_no_content_even_if_it_decides_that_no_call_comes():
    fed = pieces(" to=nobody⟦<|message|>⟧x⟦<|eot|>⟧")
    answer = parser("muse", [PUT], as_tokens=True, reasoning="muse", tokens=frozenset({"<|eot|>"}))
    assert fold(run(fed, answer))["content"] == " to=nobody<|message|>x"


@pytest.mark.parametrize(
    ("reasoning", "text", "thoughts", "content"),
    [
        ("hunyuan", "<think>\na\n</think>\n<answer>\nYes.\n</answer>", "a", "Yes."),
        ("hunyuan", "<answer>\nYes.\n</answer>\nMore", None, "Yes.\n</answer>\nMore"),
        ("response", "<think>\na\n</think>\n\n\n<response>\nYes.\n\n</response>\n", "a", "Yes.\n"),
        ("k2_horizon", "<ifm|think_faster>a</ifm|think_faster>Yes.", "a", "Yes."),
        ("minimax_m3", "</mm:think>Yes.", None, "Yes."),
        (
            "seed_oss",
            "<seed:think>a<seed:cot_budget_reflect>b</seed:cot_budget_reflect></seed:think>Yes.",
            None,
            "Yes.",
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_reasoning(reasoning, text, thoughts, content, size):
    answer = fold(run(pieces(text, size), parser("hermes", reasoning=reasoning)))
    assert answer["content"] == content
    assert answer["reasoning_content"] == thoughts or thoughts is None


@pytest.mark.parametrize(
    ("prompt", "closer"),
    [("…<ifm|think_fast>\n", "</ifm|think_fast>"), ("…<ifm|think>", "</ifm|think>"), ("<ifm|think>x", "")],
)
def test_the_prompt_says_what_ends_reasoning(prompt, closer):
    dialect = REASONING_DIALECTS["k2_horizon"]
    assert dialect.open_in(prompt) == bool(closer)
    assert dialect.closer_in(prompt) == (closer or dialect.closer)


def test_letters_in_place_of_a_part_that_is_a_token_stay_text():
    text = plain(dsml(""))
    assert run([Piece(text)], parser("deepseek_v4", [PUT], as_tokens=True)) == [TextDelta(text)]
