import pytest

from tests.training.digests import RECORDED, digest
from training import data, invent
from training.evaluation.suites import SUITES, held_out

SKILLS = {maker.__name__: maker for _, maker in data.MIXTURE}


def test_every_suite_and_every_skill_has_a_recorded_digest() -> None:
    assert RECORDED["held_out"].keys() == SUITES.keys()
    assert RECORDED["skills"].keys() == SKILLS.keys()


@pytest.mark.parametrize("suite", SUITES)
def test_held_out_conversations_are_those_of_the_recorded_accuracy(suite: str) -> None:
    assert digest(held_out(suite, 10 if suite == "retrieval_8k" else 40)) == RECORDED["held_out"][suite]


@pytest.mark.parametrize("skill", SKILLS)
def test_skills_generate_what_the_weights_were_trained_on(skill: str) -> None:
    assert digest(data.sample(seed, SKILLS[skill]) for seed in range(1000)) == RECORDED["skills"][skill]


@pytest.mark.parametrize("first_seed", RECORDED["mixture"])
def test_the_mixture_is_that_of_training(first_seed: str) -> None:
    samples = (data.sample(int(first_seed) + i) for i in range(1000))
    assert digest(samples) == RECORDED["mixture"][first_seed]


def test_the_tokenizer_corpus_knows_no_earlier_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invent, "PIECES", [])
    ((first_seed, recorded),) = RECORDED["without_pieces"].items()
    assert digest(data.sample(int(first_seed) + i) for i in range(300)) == recorded


def test_held_out_seeds_are_far_from_those_of_training() -> None:
    trained = {str(data.sample(100_000_000_000 + i).messages) for i in range(500)}
    assert not trained & {
        str(sample.messages) for suite in ("retrieval_short", "agent") for sample in held_out(suite, 50)
    }
