from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from explorer.corpora import openi
from training.datasets import Film
from training.tasks.multimodal import _by_patient, _parts, multimodal


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


@pytest.mark.slow
@pytest.mark.images
@pytest.mark.skipif(not os.environ.get("CXR_IMAGES"), reason="set CXR_IMAGES to a folder of radiographs to run this")
def test_the_shipped_pair_finds_more_than_chance_for_unseen_patients():
    (row,) = multimodal(["pocket", "bm25"], openi.read(), "test")
    everything = row["figures"]["all"]
    assert everything["precision@5"]["low"] > everything["chance"]
