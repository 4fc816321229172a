from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.interfaces import Dual, EncoderInfo
from training.datasets import SHARED_LABELS, Film
from training.finding_words import ASKED, TAUGHT, WORDS, every_sentence
from training.tasks.film_findings import probe, told, zero_shot
from training.tasks.multimodal import _strata, has_the_same_findings

INFO = EncoderInfo("toy", "image", len(WORDS) + 1, 9, "cosine", "fp32", "cpu", "r")
NAMES = list(WORDS)


class Texts:
    """One direction for each finding, the opposite one where it is denied, the last for a normal chest."""

    info = INFO

    def encode(self, texts, instruction=""):
        rows = np.zeros((len(texts), INFO.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            named = [place for place, name in enumerate(NAMES) if WORDS[name] in text.lower()]
            sign = -1 if text.startswith(("No ", "There is no")) and named else 1
            row[named[0] if named else -1] = sign
        return rows


class Films:
    info = replace(INFO, max_tokens=0)

    def encode(self, images):
        return np.stack([np.eye(INFO.dim, dtype=np.float32)[image[0, 0]] for image in images])


def film(number, labels, view="PA", patient=None):
    return Film(Path(f"{number}.png"), "nih_cxr14", patient or f"nih-{number}", view, frozenset(labels))


def test_a_film_is_told_by_the_words_it_is_near_to_and_far_from_their_denial():
    pixels = [np.full((2, 2), place) for place in (NAMES.index("Edema"), INFO.dim - 1)]
    scores = zero_shot(Dual(Texts(), Films()), pixels)
    assert scores.shape == (2, len(SHARED_LABELS))
    assert SHARED_LABELS[scores[0].argmax()] == "Edema"
    assert SHARED_LABELS[scores[1].argmax()] == "No Finding"
    assert scores[0, SHARED_LABELS.index("Edema")] == pytest.approx(2)  # towards the finding, away from its denial


def test_every_label_that_films_and_reports_share_has_its_words():
    assert set(WORDS) | {"No Finding"} == set(SHARED_LABELS)


def test_no_sentence_that_is_asked_by_was_taught():
    assert not set(every_sentence(ASKED)) & set(every_sentence(TAUGHT))
    assert "There is no pneumothorax." in every_sentence(ASKED)


def test_labels_with_too_few_films_have_no_say():
    shown = [film(number, {"Edema"} if number < 15 else {"Hernia"} if number == 20 else set()) for number in range(40)]
    scores = np.zeros((40, len(SHARED_LABELS)))
    scores[:15, SHARED_LABELS.index("Edema")] = 1
    found = told(scores, shown)
    assert found.labels == ("Edema",)
    assert (found.figure.mean, found.each, found.figure.n) == (1.0, (1.0,), 40)
    assert told(scores[15:], shown[15:]) is None


def test_the_probe_learns_from_training_films_and_scores_the_reporting_ones():
    draw = np.random.default_rng(0)
    shown, features = {}, {}
    for part, count in (("train", 120), ("choosing", 60), ("reporting", 60)):
        labels = [{name for name in SHARED_LABELS if draw.random() < 0.4} for _ in range(count)]
        shown[part] = [film(number, found) for number, found in enumerate(labels)]
        flags = np.array([[name in found for name in SHARED_LABELS] for found in labels], dtype=np.float32)
        features[part] = np.concatenate((flags, draw.normal(0, 1, (count, 20))), axis=1)
    found = told(probe(features, shown), shown["reporting"])
    assert found.figure.mean > 0.95


def test_films_are_parted_by_view_and_by_sampling():
    shown = [film(n, set(), view, f"nih-{n}") for n, view in ((13, "PA"), (1300, "PA"), (4520, "AP"), (9000, "AP"))]
    parts = {name: part.tolist() for name, part in _strata(shown).items()}
    assert parts["all"] == [True] * 4
    assert parts["PA, sampling with normal films"] == [False, True, False, False]
    assert parts["AP, sampling with normal films"] == [False, False, True, False]
    assert parts["PA, sampling of findings only"] == [True, False, False, False]
    assert parts["AP, sampling of findings only"] == [False, False, False, True]


def test_the_same_findings_are_all_of_them_and_no_other():
    films_ = [frozenset({"Edema"}), frozenset({"Edema", "Hernia"})]
    reports = [frozenset({"Edema"}), frozenset({"Hernia", "Edema"}), frozenset({"Hernia"})]
    assert has_the_same_findings(films_, reports).astype(int).tolist() == [[1, 0, 0], [0, 1, 0]]
