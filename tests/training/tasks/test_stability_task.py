from __future__ import annotations

import numpy as np
import pytest
from toys import corpus, study

from training.tasks.base import Ranker, RankerCard, words
from training.tasks.notes import Note
from training.tasks.stability import StabilityTask, stability

SAID = ("Right pneumothorax.", "Left effusion.", "Edema.", "Cardiomegaly.")
NOTES = (
    Note("a", "mixed", "R PTX", "Right pneumothorax."),
    Note("b", "mixed", "L eff", "Left effusion."),
    Note("c", "indication", "cough", "Cough for three days."),  # no finding
    Note("d", "impression", "CM", "Cardiomegaly."),
)


def numbered():
    """Twelve reports of each of four findings, each text its own."""
    return [
        study(5 * (12 * kind + copy + 1), f"{said} Exam {copy}.")
        for kind, said in enumerate(SAID)
        for copy in range(12)
    ]


@pytest.fixture(scope="module")
def made():
    return stability(corpus(*numbered()), "test", NOTES)


def by_name(task, scores):
    ranker = Ranker(RankerCard(""), lambda queries, bank, instruction: scores(queries, bank))
    return {(one.part, one.measure): one for one in task.figures(ranker)}


def test_notes_without_a_finding_are_left_out_and_counted_and_parts_of_one_note_too(made):
    assert made.short == ("R PTX", "L eff", "CM")
    assert "1 of 4 state no sure finding" in made.card.about
    assert made.parts.keys() == {"all", "mixed"}
    assert made.card.n_distinct == len(made.bank) == 48


def knows(queries, bank):
    """Finds the reports of a note in both forms."""
    forms = {"R PTX": 0, "L eff": 1, "CM": 3} | {
        note.long: kind for note, kind in zip(NOTES, (0, 1, 2, 3), strict=True)
    }
    return np.array([[float(text.startswith(SAID[forms[query]])) for text in bank] for query in queries])


def test_a_ranker_that_understands_both_forms_is_stable_and_agrees(made):
    found = by_name(made, knows)
    for measure in ("stability@10", "overlap@10", "agreement@10 short", "agreement@10 long"):
        assert found["all", measure].value == 1, measure
    assert (found["all", "stability@10"].chance, found["all", "overlap@10"].chance) == (0, 0)
    assert found["all", "stability@10"].shuffled == 0
    assert found["all", "agreement@10 long"].chance == 0.25
    assert found["all", "agreement@10 long"].floor == pytest.approx(1 / 3)  # ten reports of one kind suit one note


def test_a_ranker_that_answers_all_with_the_same_reports_is_stable_by_chance_alone(made):
    found = by_name(made, lambda queries, bank: np.tile(-np.arange(len(bank)), (len(queries), 1)))
    assert found["all", "stability@10"].value == found["all", "stability@10"].chance == 1
    assert found["all", "overlap@10"].value == found["all", "overlap@10"].chance == 1


def test_words_of_the_long_form_are_found_and_those_of_the_short_form_are_not(made):
    found = {(one.part, one.measure): one.value for one in made.figures(words())}
    assert found["all", "agreement@10 long"] == 1
    assert found["all", "agreement@10 short"] <= 1 / 3


def test_shuffled_labels_land_on_chance(made):
    found = by_name(made, knows)["all", "agreement@10 short"]
    assert found.shuffled == pytest.approx(found.chance, abs=0.05)


def test_figures_by_hand():
    """Twenty reports; the first ten say A, the others B; of the second note's short form half the list is of A."""
    stated = np.repeat(np.eye(2), 10, axis=0)
    agreeing = np.stack([stated[:, 0], stated[:, 1]])
    flags = {"all": np.ones(2, dtype=bool)}
    task = StabilityTask(None, ("a", "b"), ("A", "B"), tuple(map(str, range(20))), stated, agreeing, "", flags)
    first = {"a": range(10), "b": range(5, 15), "A": range(10), "B": range(10, 20)}

    found = by_name(task, lambda queries, bank: np.array([[float(n in first[q]) for n in range(20)] for q in queries]))
    assert found["all", "overlap@10"].values[:, 0].tolist() == [1, 0.5]
    assert found["all", "stability@10"].values[:, 0].tolist() == [1, 0.5]  # (5 A, 5 B) against 10 B: 2 · 5 / 20
    assert found["all", "agreement@10 short"].values[:, 0].tolist() == [1, 0.5]
    assert found["all", "stability@10"].chance == 0
    assert found["all", "stability@10"].shuffled == pytest.approx((0 + 0.5) / 2)
