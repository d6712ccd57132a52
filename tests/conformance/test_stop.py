import pytest
from openai import OpenAI

from tests.conformance.talk import STORY, SUM, ask, assembled, said, schema_format, stream

LIMIT = 40


@pytest.fixture(scope="module")
def story(server) -> list[str]:  # type: ignore[no-untyped-def]
    """The tokens of the answer without stop strings."""
    answer = said(ask(server.client, STORY, max_tokens=LIMIT, logprobs=True))
    assert "".join(token.token for token in answer.logprobs) == answer.content
    return [token.token for token in answer.logprobs]


def stopped(client: OpenAI, stop: str | list[str]) -> str:
    """The text in front of the stop string, whole = streamed."""
    whole = ask(client, STORY, max_tokens=LIMIT, stop=stop)
    answer = said(whole)
    assert answer == assembled(stream(client, STORY, max_tokens=LIMIT, stop=stop))
    assert answer.finish_reason == "stop"
    assert 0 < whole.usage.completion_tokens < LIMIT
    return answer.content


def test_a_stop_string_ends_the_answer_and_is_not_part_of_it(client: OpenAI, story: list[str]) -> None:
    text = "".join(story)
    assert stopped(client, " fox") == text[: text.index(" fox")]


def test_a_stop_string_across_token_borders(client: OpenAI, story: list[str]) -> None:
    text = "".join(story)
    stop = story[7][-2:] + story[8] + story[9][:2]
    assert stop not in story
    assert stopped(client, stop) == text[: text.index(stop)]


def test_the_first_of_several_counts(client: OpenAI, story: list[str]) -> None:
    text = "".join(story)
    assert stopped(client, ["never said", story[12].strip(), " named"]) == text[: text.index(" named")]


def test_sixteen_stop_strings_that_never_come_change_nothing(client: OpenAI, story: list[str]) -> None:
    answer = said(ask(client, STORY, max_tokens=LIMIT, stop=[f"never said {i}" for i in range(16)]))
    assert (answer.content, answer.finish_reason) == ("".join(story), "length")


def test_a_beginning_that_does_not_become_the_stop_string_is_not_lost(client: OpenAI, story: list[str]) -> None:
    stop = "".join(story[-3:]) + "~never said"
    whole = said(ask(client, STORY, max_tokens=LIMIT, stop=stop))
    assert whole == assembled(stream(client, STORY, max_tokens=LIMIT, stop=stop))
    assert whole.content == "".join(story)


def test_a_stop_string_of_several_bytes_a_character(client: OpenAI) -> None:
    response_format = schema_format({"enum": ["Café 東京 😀 naïve"]})
    for stop, rest in (("😀", '"Café 東京 '), ("京 ", '"Café 東'), ("é", '"Caf')):
        answer = said(ask(client, "Reply", response_format=response_format, stop=stop))
        assert (answer.content, answer.finish_reason) == (rest, "stop")


def test_every_choice_stops_for_itself(client: OpenAI) -> None:
    completion = ask(client, STORY, max_tokens=LIMIT, stop=" fox", n=3, temperature=1, seed=7)
    for index in range(3):
        assert " fox" not in said(completion, index).content
        assert said(completion, index).finish_reason == "stop"


def test_reasoning_is_not_searched_for_stop_strings_that_end_the_answer(client: OpenAI) -> None:
    plain = said(ask(client, SUM, thinking=True))
    assert "30" in plain.reasoning
    assert "30" not in plain.content
    answer = said(ask(client, SUM, thinking=True, stop=" is 42"))
    assert (answer.reasoning, answer.content) == (plain.reasoning, "The answer")
