from __future__ import annotations

import numpy as np
import pytest
from toys import CORPUS, WordCounts, corpus, study

from models.interfaces import SEARCH_INSTRUCTION, SUMMARY_INSTRUCTION
from training.tasks.base import Ranker, RankerCard, by_vectors, dense, score, words
from training.tasks.notes import Note
from training.tasks.retrieval import (
    RetrievalTask,
    findings_to_impression,
    notes,
    prior_omitted,
    seen_and_unseen,
    split_reports,
)


def scored(scores):
    """A ranker that scores as it is told."""
    return Ranker(RankerCard("told"), lambda queries, bank, instruction: np.asarray(scores, dtype=np.float64))


def task(answers, n, **parts):
    flags = {"all": np.ones(len(answers), dtype=bool), **{name: np.array(of) for name, of in parts.items()}}
    texts = tuple(f"text {number}" for number in range(n))
    return RetrievalTask("0", "", "", "", "", ("",) * len(answers), texts, np.array(answers), "", flags, (1, 2))


def by_name(figures):
    return {(one.part, one.measure): one for one in figures}


def test_recall_by_hand_with_chance_floor_and_parts():
    scores = [[3, 2, 1, 0], [3, 2, 1, 0], [0, 1, 3, 2]]  # answers at ranks 1, 2, 2
    found = by_name(task([0, 1, 3], 4, seen=[False, True, True]).figures(scored(scores)))
    assert {key: one.value for key, one in found.items()} == {
        ("all", "recall@1"): pytest.approx(1 / 3),
        ("all", "recall@2"): 1,
        ("seen", "recall@1"): 0,
        ("seen", "recall@2"): 1,
    }
    assert found["all", "recall@2"].chance == 0.5
    assert found["seen", "recall@1"].values.shape == (2, 1)


def test_the_floor_is_what_most_queries_ask_for_whatever_the_query():
    found = by_name(task([2, 2, 1], 4).figures(scored(np.eye(3, 4))))
    assert found["all", "recall@1"].floor == pytest.approx(2 / 3)


def test_shuffled_labels_land_on_chance_even_for_a_perfect_ranker_that_likes_one_answer():
    answers = np.array([0] * 200 + [1] * 50 + list(range(2, 40)))
    perfect = np.eye(40)[answers]
    found = by_name(task(answers, 40).figures(scored(perfect)))
    assert found["all", "recall@1"].value == 1
    assert found["all", "recall@1"].floor > 0.6
    assert found["all", "recall@1"].shuffled == pytest.approx(1 / 40, abs=0.03)
    assert found["all", "recall@2"].shuffled == pytest.approx(2 / 40, abs=0.04)


def test_shuffled_labels_land_on_chance_for_scores_of_noise():
    answers = np.arange(300) % 50
    found = by_name(task(answers, 50).figures(scored(np.random.default_rng(0).random((300, 50)))))
    assert found["all", "recall@1"].shuffled == pytest.approx(1 / 50, abs=0.003)


def test_findings_to_impression_ranks_distinct_texts_as_encoders_see_them():
    made = findings_to_impression(CORPUS, "test")
    assert made.bank == ("Left effusion.", "Right pneumothorax.", "Wide cardiac silhouette.")
    assert made.answers.tolist() == [1, 0, 2, 0]  # the study whose impression is redacted is left out
    assert made.instruction == SUMMARY_INSTRUCTION
    assert made.card.n_distinct == 3


def test_answers_are_seen_if_a_training_study_has_them_and_the_parts_are_a_partition():
    parts = findings_to_impression(CORPUS, "test").parts
    assert parts["seen"].tolist() == [False, True, False, True]
    assert (parts["seen"] ^ parts["unseen"]).all()
    assert parts["all"].all()


def test_a_part_without_queries_is_left_out():
    assert seen_and_unseen(["Left effusion."], CORPUS, "impression").keys() == {"all", "seen"}


def test_words_find_what_shares_them():
    found = by_name(findings_to_impression(CORPUS, "test").figures(words()))
    assert found["all", "recall@1"].value == 0.75  # "The heart is big." shares no word with its answer, the last
    assert found["unseen", "recall@1"].value == 0.5
    assert found["all", "recall@1"].floor == 0.5


RETOLD = corpus(
    study(5, "The lungs are clear. No change since the prior exam."),
    study(10, "No pneumothorax or pleural effusion."),
    study(15, "The heart is normal."),
)


def test_task_1_asks_only_where_the_query_differs_from_the_original_and_ranks_all_originals():
    omitted = prior_omitted(RETOLD, "test")
    assert omitted.queries == ("The lungs are clear.",)
    assert omitted.bank[omitted.answers[0]] == "The lungs are clear. No change since the prior exam."
    assert len(omitted.bank) == 3
    apart = split_reports(RETOLD, "test")
    assert apart.queries[-1] == "No pneumothorax. No pleural effusion."
    assert apart.bank[apart.answers[-1]] == "No pneumothorax or pleural effusion."
    assert (omitted.task, apart.task, apart.instruction) == ("1 omitted", "1 split", SEARCH_INSTRUCTION)


def test_notes_are_asked_as_typed_and_told_by_style():
    read = (Note("a", "mixed", "sm R PTX", "Small right pneumothorax."), Note("b", "impression", "PNA", "Pneumonia."))
    made = notes(read)
    assert made.queries == ("sm R PTX", "PNA")
    assert [made.bank[column] for column in made.answers] == ["Small right pneumothorax.", "Pneumonia."]
    assert {name: part.tolist() for name, part in made.parts.items()} == {
        "all": [True, True],
        "mixed": [True, False],
        "impression": [False, True],
    }
    assert [one.measure for one in made.figures(words())[:4]] == ["recall@1", "recall@3", "recall@5", "recall@10"]


def test_queries_carry_the_instruction_and_documents_none():
    encoder = WordCounts()
    findings_to_impression(CORPUS, "test").figures(dense(encoder))
    assert [instruction for _, instruction in encoder.asked] == [SUMMARY_INSTRUCTION, ""]


def test_an_encoder_that_is_not_instructed_gets_no_instruction():
    encoder = WordCounts(instructed=False)
    findings_to_impression(CORPUS, "test").figures(dense(encoder))
    assert [instruction for _, instruction in encoder.asked] == ["", ""]


def test_any_encoding_function_can_be_scored():
    encoder = WordCounts()
    made = findings_to_impression(CORPUS, "test")
    ours = [one.value for one in score(made, encoder.encode)]
    assert ours == [one.value for one in made.figures(Ranker(RankerCard("x"), by_vectors(encoder.encode)))]
    assert ours[0] == 0.75
