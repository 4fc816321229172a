from __future__ import annotations

import numpy as np
import pytest
from toys import WordCounts, corpus, study

from training.tasks.base import Ranker, RankerCard, words
from training.tasks.nearest import LookedUp, nearest_findings

CORPUS = corpus(
    study(5, "Left effusion."),
    study(10, "The lungs are clear. No effusion."),
    study(2, "Left effusion. Edema."),
    study(3, "No effusion."),
    study(4, "No effusion."),  # the commonest of training
    study(6, "Right pneumothorax."),
)
JUDGE = WordCounts("judge", revision="of the judge")


@pytest.fixture(scope="module")
def made():
    return nearest_findings(CORPUS, "test", JUDGE)


def figures(made, ranker):
    return {(one.part, one.measure): one for one in made.figures(ranker)}


def always(column, revision=""):
    def scores(queries, bank, _instruction):
        return np.tile(np.eye(len(bank))[column], (len(queries), 1))

    return Ranker(RankerCard("always", revision), scores)


def test_the_bank_is_distinct_training_findings(made):
    assert made.bank == ("Left effusion. Edema.", "No effusion.", "Right pneumothorax.")
    assert made.commonest == "No effusion."


def test_measures_by_hand_of_a_ranker_that_always_answers_the_same(made):
    """Query 1: effusion and edema against effusion: 2 · 2 / (2 + 3) of the entities, relations 1."""
    found = figures(made, always(0))
    assert found["with a finding", "GREEN-form score"].value == 0.5  # one matched, edema is false
    assert found["all", "RuleLabel-F1"].value == pytest.approx((2 / 3 + 0) / 2)  # effusion; edema
    assert found["with a finding", "RuleLabel-F1"].value == 0.5  # effusion 1, edema 0
    assert found["all", "EntRel-F1"].values.shape == (2, 1)
    assert found["all", "RuleLabel-F1"].values.shape == (2, 28)


def test_the_floor_is_the_commonest_training_findings(made):
    assert figures(made, always(1))["all", "EntRel-F1"].value == figures(made, always(0))["all", "EntRel-F1"].floor


def test_chance_is_the_same_for_every_ranker(made):
    one, other = figures(made, always(0)), figures(made, words())
    assert {key: value.chance for key, value in one.items()} == {key: value.chance for key, value in other.items()}


def test_parts_hold_the_queries_with_and_without_a_finding(made):
    assert made.parts["with a finding"].tolist() == [True, False]
    assert made.parts["without"].tolist() == [False, True]


def test_the_judge_never_judges_itself(made):
    assert {"EntSim", "EmbSim"} <= {measure for _, measure in figures(made, always(0, "another"))}
    measures = {measure for _, measure in figures(made, always(0, "of the judge"))}
    assert measures == {"RuleLabel-F1", "EntRel-F1", "GREEN-form score"}
    assert "use judge, and are left out where it is under test" in made.card.about


def test_shuffled_labels_land_on_chance():
    draw = np.random.default_rng(0)
    kinds = [
        "Left effusion.",
        "Right pneumothorax.",
        "Edema.",
        "No edema.",
        "Cardiomegaly.",
        "Pneumonia.",
        "Atelectasis.",
    ]
    texts = [" ".join(draw.permutation(kinds)[:3]) for _ in range(200)]
    studies = [study(number, text) for number, text in enumerate(texts, start=1)]
    made = nearest_findings(corpus(*studies), "test", JUDGE)
    found = figures(made, words())["all", "EntRel-F1"]
    assert found.value > found.chance + 0.1
    assert found.shuffled == pytest.approx(found.chance, abs=0.05)


def test_the_judge_encodes_each_text_once():
    counted = WordCounts()
    known = LookedUp(counted, ["a", "b", "a"])
    assert known.encode(["b", "b", "a"]).shape == (3, 64)
    assert counted.asked == [(("a", "b"), "")]
    with pytest.raises(KeyError):
        known.encode(["c"])
