from __future__ import annotations

import numpy as np
import pytest

from models.film_check import FRONTAL, LIMIT
from training.film_kinds import FOLDS, Examples, fitted, fold_of, measured, out_of_fold

KINDS = (FRONTAL, "a lateral film", "a film inverted")


def examples(per_kind=60, patients=30):
    """Three kinds, each about a corner of its own; two films a patient and kind."""
    draw = np.random.default_rng(0)
    rows = [np.eye(4)[corner] + draw.normal(0, 0.05, (per_kind, 4)) for corner in range(3)]
    features = np.concatenate(rows).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    named = [f"patient {number % patients}" for _ in KINDS for number in range(per_kind)]
    return Examples(features, np.repeat(KINDS, per_kind), named)


def test_the_head_names_kinds_that_are_apart():
    shown = examples()
    assert fitted(shown).of(shown.features) == shown.kinds.tolist()
    assert fitted(shown).of(np.eye(4, dtype=np.float32)[[1, 2, 0]]) == [KINDS[1], KINDS[2], KINDS[0]]


def test_a_patient_is_in_one_fold_and_every_fold_has_some():
    folds = [fold_of(f"patient {number}") for number in range(30)]
    assert folds == [fold_of(f"patient {number}") for number in range(30)]
    assert set(folds) == set(range(FOLDS))


def test_no_example_is_judged_by_what_its_own_patient_showed():
    """One patient's frontal films lie where nobody else's do: known they would be near, left out they are far."""
    shown = examples()
    own = np.array([patient == "patient 3" for patient in shown.patients]) & (shown.kinds == FRONTAL)
    shown.features[own] = np.array([0.8, 0, 0, 0.6], np.float32)
    aside = out_of_fold(shown, axes=1)
    known = measured("r1", shown, aside, shown.features[:1], axes=1)
    assert aside.distances[own].min() > 2 * known.cloud.distances(shown.features[own]).max()


def test_the_limit_is_set_on_films_left_out_and_on_those_that_choose():
    shown = examples()
    aside = out_of_fold(shown, axes=2)
    assert (aside.kinds == shown.kinds).all()
    choosing = examples(per_kind=10).features[:10]
    known = measured("r1", shown, aside, choosing, axes=2)
    assert len(known.held_out) == 60 + 10
    assert known.held_out.tolist() == sorted(known.held_out.tolist())
    assert known.limit == pytest.approx(np.quantile(known.held_out, LIMIT, method="higher"))
    lateral = known.judged(np.eye(4, dtype=np.float32)[[1, 3]])
    assert [one.kind for one in lateral][:1] == ["a lateral film"]
    assert lateral[1].unlike
