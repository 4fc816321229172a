from __future__ import annotations

import numpy as np
import pytest
from toys import WordCounts, corpus, study

from training.tasks.base import Ranker, RankerCard, dense, words
from training.tasks.errors import ErrorTask, erroneous_impressions

RICH = "There is a small right pleural effusion. Mild cardiomegaly."
CORPUS = corpus(
    study(5, "Fluid on the right. The heart is a little big.", RICH),
    study(10, "The lungs are clear.", "No acute disease."),  # nothing to move, grade or deny: too few errors
    study(2, "Clear.", RICH),
)


@pytest.fixture(scope="module")
def made():
    return erroneous_impressions(CORPUS, "test")


def by_name(figures):
    return {(one.part, one.measure): one for one in figures}


def test_the_true_impression_stands_first_and_every_other_holds_an_error_of_its_own_category(made):
    told = [made.bank[column] for column in made.candidates[0]]
    assert told[0] == RICH
    assert len(set(told)) == 4
    assert len(set(made.categories[0].tolist())) == 3
    assert set(made.categories[0].tolist()) <= {
        "change severity",
        "change location",
        "false prediction",
        "false negation",
    }


def test_studies_that_take_too_few_errors_are_left_out_and_counted(made):
    assert made.asked.tolist() == [0]
    assert len(made.queries) == 2
    assert "1 of 2 studies take fewer than three errors" in made.card.about


def test_the_same_errors_are_drawn_every_time(made):
    assert erroneous_impressions(CORPUS, "test").bank == made.bank


def test_what_the_findings_bear_out_is_no_error():
    """The same impressions, once with findings that say nothing else, once with findings that say all that is added."""
    said = (
        "Small right pleural effusion. Mild cardiomegaly. Pneumothorax. Pneumonia. Edema. Consolidation. Atelectasis. "
        "Nodule. Mass. Rib fracture. Emphysema. Pleural thickening. Widened mediastinum. Opacity. Fibrosis. Hernia."
    )

    def drawn(findings):
        studies = (study(number, findings, RICH) for number in (5, 10, 15, 20))
        return set(erroneous_impressions(corpus(*studies), "test").categories.ravel().tolist())

    assert "false prediction" in drawn("Fluid.")
    assert "false prediction" not in drawn(said)


def test_the_floor_takes_what_is_commonest_in_training(made):
    found = by_name(made.figures(words()))
    assert found["all", "accuracy (strict)"].floor == 1  # the true impression is a training study's too
    assert found["seen", "accuracy (tie-aware)"].floor == 1
    assert ("unseen", "mean rank") not in found


def told(scores):
    return Ranker(RankerCard("told"), lambda queries, bank, instruction: np.asarray(scores, dtype=np.float64))


def hand_made():
    """Two studies with the candidates 0–3 and 4–7; the first query is left out."""
    return ErrorTask(
        None,
        ("left out", "one", "two"),
        tuple("abcdefgh"),
        np.array([1, 2]),
        np.arange(8).reshape(2, 4),
        np.array([["change severity", "false negation", "false prediction"]] * 2),
        np.zeros((2, 4)),
        "",
        {"all": np.ones(2, dtype=bool)},
    )


SCORES = [[9] * 8, [5, 4, 3, 2, 0, 0, 0, 0], [0, 0, 0, 0, 2, 2, 3, 1]]


def test_figures_by_hand():
    found = by_name(hand_made().figures(told(SCORES)))
    assert found["all", "accuracy (strict)"].values[:, 0].tolist() == [1, 0]
    assert found["all", "mean rank"].value == 1.75  # first, and behind one beside one
    assert found["all", "mean margin"].value == 0  # +1 and −1
    assert found["change severity", "pairwise accuracy"].value == 0.75  # won, tied
    assert found["false negation", "pairwise accuracy"].value == 0.5  # won, lost
    assert found["false prediction", "pairwise accuracy"].value == 1
    assert found["all", "accuracy (tie-aware)"].floor == 0.25
    assert found["all", "mean rank"].chance == 2.5


def test_random_labels_land_on_chance():
    found = by_name(hand_made().figures(told(SCORES)))
    assert found["all", "accuracy (tie-aware)"].shuffled == pytest.approx(0.25, abs=0.08)
    assert found["all", "mean rank"].shuffled == pytest.approx(2.5, abs=0.25)
    assert found["change severity", "pairwise accuracy"].shuffled == pytest.approx(0.5, abs=0.12)


def test_an_encoder_is_asked_once_for_findings_and_once_for_candidates(made):
    encoder = WordCounts()
    made.figures(dense(encoder))
    assert [len(texts) for texts, _ in encoder.asked] == [2, 4]
