from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from explorer.corpora import openi
from explorer.corpora.base import Corpus
from explorer.types import Report, StudyMeta
from models.interfaces import CxrError, UnknownTower, WeightsMissing
from training import evaluate
from training.datasets import Film
from training.evaluate import _by_patient, _parts, measure, multimodal, task2


def study(number, findings="", impression=""):
    sections = {"findings": findings, "impression": impression}
    kept = {name: text for name, text in sections.items() if text}
    return Report(f"openi:{number}", "openi", kept, (), StudyMeta(), "")


CORPUS = Corpus(
    "openi",
    "Toy",
    "",
    "",
    "00" * 32,
    (
        study(5, "A pneumothorax on the right.", "Right pneumothorax."),  # numbers divisible by 5 are the test split
        study(10, "Much fluid on the left, an effusion.", "Left effusion."),
        study(15, "The heart is big.", "Wide silhouette."),  # no word in common
        study(20, "Findings without an impression."),
        study(25, "The left base is white.", "Left  effusion."),  # the same answer, but for blanks
        study(2, "Small effusion.", "Left effusion."),  # training: makes that answer a seen one
        study(11, "Small pneumothorax.", "Right pneumothorax."),  # validation: does not
    ),
)


@pytest.fixture(scope="module")
def words():
    (row,) = task2(["bm25"], CORPUS, "test")
    return row


def recalls(row, part):
    return [row["figures"][part]["recall"][k]["mean"] for k in ("1", "5", "10")]


def test_identical_impressions_are_one_answer(words):
    assert (words["task"], words["split"], words["encoder"], words["n_distinct"]) == ("2", "test", "bm25", 3)


def test_recall_over_all_and_over_answers_seen_and_unseen_in_training(words):
    assert {part: words["figures"][part]["n"] for part in words["figures"]} == {"all": 4, "unseen": 2, "seen": 2}
    assert recalls(words, "all") == [
        0.75,
        1,
        1,
    ]  # "The heart is big." shares no word with its answer, the last of three
    assert recalls(words, "seen") == [1, 1, 1]
    assert recalls(words, "unseen") == [0.5, 1, 1]


def test_floor_and_chance_stand_beside_every_figure(words):
    assert words["figures"]["all"]["floor"] == {"1": 0.5, "5": 1, "10": 1}  # always "Left effusion." is right twice
    assert words["figures"]["seen"]["floor"]["1"] == 1
    assert words["figures"]["all"]["chance"] == {"1": 0.3333, "5": 1, "10": 1}


def test_a_part_without_studies_is_left_out():
    (row,) = task2(["bm25"], CORPUS, "validation")
    assert row["figures"].keys() == {"all", "unseen"}
    assert recalls(row, "all") == [1, 1, 1]


def test_an_encoder_without_an_instruction_is_asked_without_one():
    (row,) = task2(["minilm"], CORPUS, "test")
    assert (row["encoder"], row["instruction"]) == ("minilm", "")
    assert len(row["revision"]) == 64
    assert recalls(row, "all")[0] >= 0.75


def test_films_are_averaged_within_their_patient_first():
    films = [Film(Path(), "nih_cxr14", patient, "PA", frozenset()) for patient in ("a", "a", "a", "b")]
    values = {
        "precision@5": np.array([1.0, 1.0, 0.4, 0.0]),
        "chance": np.array([0.2, 0.2, 0.2, 0.6]),
        "floor": np.array([0.5, 0.5, 0.5, 0.1]),
    }
    everything = _by_patient(films, values, np.ones(4, dtype=bool))
    assert (everything["films"], everything["patients"]) == (4, 2)
    assert everything["precision@5"]["mean"] == 0.4  # (0.8 + 0) / 2
    assert everything["precision@5"]["n"] == 2
    assert (everything["chance"], everything["floor"]) == (0.4, 0.3)
    only_first = _by_patient(films, values, np.array([True, False, False, False]))
    assert (only_first["films"], only_first["patients"], only_first["precision@5"]["mean"]) == (1, 1, 1.0)


def test_normal_films_are_reported_apart():
    labels = (frozenset({"No Finding"}), frozenset({"Edema"}))
    parts = _parts([Film(Path(), "", "p", "PA", found) for found in labels])
    assert {name: part.tolist() for name, part in parts.items()} == {
        "all": [True, True],
        "with a finding": [False, True],
        "normal": [True, False],
    }


def test_an_unknown_task_is_answered_with_the_known_ones():
    with pytest.raises(CxrError, match=r"There is no task '9'\. Known: 2, multimodal\."):
        measure(["bm25"], ["2", "9"], "test")


def test_an_unknown_encoder_is_refused():
    with pytest.raises(UnknownTower, match="'nosuch'"):
        task2(["nosuch"], CORPUS, "test")


def test_the_command_answers_an_error_with_one_line_and_status_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluate", "--tasks", "9"])
    with pytest.raises(SystemExit) as ended:
        evaluate.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "There is no task '9'. Known: 2, multimodal.\n"


@pytest.mark.slow
@pytest.mark.images
@pytest.mark.skipif(not os.environ.get("CXR_IMAGES"), reason="set CXR_IMAGES to a folder of radiographs to run this")
def test_the_shipped_pair_finds_more_than_chance_for_unseen_patients():
    try:
        (row,) = multimodal(["pocket", "bm25"], openi.read(), "test")
    except WeightsMissing:
        pytest.skip("the weights of pocket are not in this copy")
    everything = row["figures"]["all"]
    assert everything["precision@5"]["low"] > everything["chance"]
