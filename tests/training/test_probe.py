from __future__ import annotations

import numpy as np
import pytest

from training.probe import Probe, fit_probe


def test_logits_computed_by_hand():
    one = Probe(np.array([1.0, 2.0]), np.array([2.0, 1.0]), np.array([[1.0, -1.0], [0.0, 2.0]]), np.array([0.5, 0.0]))
    assert one.logits(np.array([[3.0, 5.0]])).tolist() == [[1 - 3 + 0.5, 6.0]]


def test_a_finding_is_learned_from_the_feature_that_shows_it():
    draw = np.random.default_rng(0)
    flags = draw.random((200, 2)) < 0.4
    features = np.concatenate((flags, draw.normal(0, 1, (200, 6)), np.ones((200, 1))), axis=1).astype(np.float32)
    learned = fit_probe(features, flags, 1.0)
    assert ((learned.logits(features) > 0) == flags).mean() > 0.95
    assert np.isfinite(learned.logits(features)).all()  # the last feature is the same for all


def test_the_weaker_the_map_the_nearer_its_answers_are_to_one_another():
    draw = np.random.default_rng(1)
    flags = draw.random((100, 1)) < 0.5
    features = (flags + draw.normal(0, 1, (100, 4))).astype(np.float32)
    spread = [np.ptp(fit_probe(features, flags, strength).logits(features)) for strength in (1e-4, 1.0)]
    assert spread[0] < 0.1 * spread[1]


@pytest.mark.parametrize(("shown", "share"), [(0, 0.5 / 11), (10, 10.5 / 11)])
def test_what_all_films_show_or_none_is_told_by_its_frequency_alone(shown, share):
    flags = np.arange(10)[:, None] < shown
    features = np.random.default_rng(2).normal(0, 1, (10, 3)).astype(np.float32)
    logits = fit_probe(features, flags, 1.0).logits(features)
    assert 1 / (1 + np.exp(-logits)) == pytest.approx(np.full((10, 1), share), rel=1e-5)
