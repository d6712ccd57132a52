"""Generated tool requests, and what the benchmark of tool calls counts."""

import json
from dataclasses import replace
from typing import Any

from jsonschema import Draft202012Validator

from benchmarks._tool_requests import CHOICES, KINDS, MOST_TOOLS, ToolRequest, make_requests
from benchmarks.tool_calls import Answer, Outcome, is_valid, rows_of

REQUESTS = make_requests(200)


def wanted(request: ToolRequest) -> list[dict[str, Any]]:
    assert request.sample.check is not None
    kind, calls = request.sample.check
    return calls if kind == "calls" else []


def perfect(request: ToolRequest) -> Outcome:
    calls = tuple((call["name"], json.dumps(call["arguments"])) for call in wanted(request))
    answer = Answer("", "thoughts" if request.sample.think else "", calls, "tool_calls")
    return Outcome(request, answer, answer)


def test_requests_vary_and_are_the_same_each_time() -> None:
    assert {request.choice for request in REQUESTS} == set(CHOICES)
    assert {request.kind for request in REQUESTS} == set(KINDS)
    assert {len(request.tools) for request in REQUESTS} == set(range(1, MOST_TOOLS + 1))
    assert {(r.choice, r.strict) for r in REQUESTS} == {(c, s) for c in CHOICES for s in (True, False)}
    assert make_requests(20) == REQUESTS[:20]


def test_schemas_are_schemas_and_take_what_is_wanted() -> None:
    for request in REQUESTS:
        for schema in request.tools.values():
            Draft202012Validator.check_schema(schema)
        for call in wanted(request):
            Draft202012Validator(request.tools[call["name"]]).validate(call["arguments"])


def test_a_named_tool_is_the_one_that_is_wanted() -> None:
    named = [request for request in REQUESTS if request.choice == "named"]
    assert all([call["name"] for call in wanted(request)] == [request.name] for request in named)


def test_what_is_wanted_is_right_and_valid() -> None:
    calling = [perfect(request) for request in REQUESTS if wanted(request)]
    assert all(outcome.right and outcome.same and not outcome.faulty and not outcome.undeclared for outcome in calling)
    (row,) = [row for row in rows_of(calling) if row["requests"] == "all"]
    assert (row["valid, %"], row["declared, %"], row["right, %"], row["same, %"]) == (100, 100, 100, 100)


def test_what_is_wrong_is_counted() -> None:
    good = perfect(next(request for request in REQUESTS if request.choice == "required"))
    (name, _), *_ = good.whole.calls
    cut = replace(good, whole=replace(good.whole, calls=((name, '{"a": '),)))
    unknown = replace(good, whole=replace(good.whole, calls=(("no_such_tool", "{}"),)))
    talk = replace(good, whole=replace(good.whole, calls=(), content="Hello."))
    (row,) = [row for row in rows_of([good, cut, unknown, talk]) if row["requests"] == "required"]
    calls = len(good.whole.calls) + 2
    assert row["calls"] == calls
    assert row["valid, %"] == round(100 * (calls - 2) / calls, 1)
    assert row["declared, %"] == round(100 * (calls - 1) / calls, 1)
    assert (row["right, %"], row["same, %"]) == (25, 25)


def test_arguments_are_judged_by_their_schema() -> None:
    tools = {"f": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}}
    assert is_valid(tools, "f", '{"n": 9}')
    for name, text in (("f", '{"n": 10}'), ("f", "{}"), ("f", '{"n": '), ("g", '{"n": 9}')):
        assert not is_valid(tools, name, text)
