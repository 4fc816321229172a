from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from explorer.corpora import openi
from training.datasets import SHARED_LABELS, Film
from training.tasks.multimodal import Bank, _by_patient, _groups, _parts, _people, multimodal


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


def test_people_are_grouped_by_what_is_known_of_them():
    films = [
        Film(Path(), "", "a", "PA", frozenset(), 39, "F"),
        Film(Path(), "", "b", "AP", frozenset(), 60, "M"),
        Film(Path(), "", "c", "", frozenset()),
    ]
    groups = {name: part.tolist() for name, part in _people(films).items()}
    assert groups["PA film"] == groups["women"] == groups["age 0–39"] == [True, False, False]
    assert groups["AP film"] == groups["men"] == groups["age 60–120"] == [False, True, False]
    assert groups["age 40–59"] == [False] * 3


def test_only_groups_of_enough_patients_have_figures():
    draw = np.random.default_rng(0)
    films = [
        Film(Path(), "", f"p{number}", "PA" if number < 40 else "AP", frozenset({"Edema"} if number % 2 else set()))
        for number in range(60)
    ]
    bank = Bank(tuple(films), (), (), np.zeros((60, 1), bool), np.zeros((60, 1), bool))
    values = {name: np.full(60, value) for name, value in (("precision@5", 0.5), ("chance", 0.25), ("floor", 0.4))}
    scores = draw.normal(0, 1, (60, len(SHARED_LABELS)))
    rows = _groups(bank, values, scores)
    assert [(row["part"], row["measure"], row["patients"]) for row in rows] == [
        ("PA film", "precision@5, a finding shared", 40),
        ("PA film", "AUROC, by words (zero-shot)", 40),
    ]
    assert (rows[0]["value"], rows[0]["chance"], rows[0]["floor"]) == (0.5, 0.25, 0.4)
    assert list(rows[1]["labels"]) == ["Edema"]


@pytest.mark.slow
@pytest.mark.images
@pytest.mark.skipif(not os.environ.get("CXR_IMAGES"), reason="set CXR_IMAGES to a folder of radiographs to run this")
def test_the_shipped_pair_finds_more_than_chance_for_unseen_patients():
    (row,) = multimodal(["pocket", "bm25"], openi.read(), "test")
    everything = row["figures"]["all"]
    assert everything["precision@5"]["low"] > everything["chance"]
