"""The floor of an index, with vectors that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.index import IndexKey, ReportIndex
from explorer.language.phrases import table
from explorer.nearness import Floors

KEY = IndexKey("toy", "ab", "report", "toy", "report", "cosine", "00", 2)
STRANGERS = [row["text"] for row in table("strangers.tsv")]


def index(vectors) -> ReportIndex:
    rows = np.array(vectors, np.float32).reshape(-1, 2)
    studies = [(f"toy:{row}",) for row in range(len(rows))]
    return ReportIndex(KEY, rows, studies, np.empty(0), np.empty((0, 16), np.uint8))


def test_the_floor_is_what_nineteen_of_twenty_strangers_stay_below():
    asked = []

    def encode(texts):
        asked.append(list(texts))
        return np.array([[place / 100, 0] for place, _ in enumerate(texts)], np.float32)

    floors, one = Floors(), index([[1, 0], [0, 1]])
    floor = floors.of(one, encode)
    assert floor.texts == len(STRANGERS) == 40
    assert floor.score == pytest.approx(0.3705)  # the 95th percentile of 0.00, 0.01 … 0.39
    assert floors.of(one, encode) is floor
    assert asked == [STRANGERS]


def test_an_empty_index_has_no_floor():
    assert Floors().of(index([]), lambda texts: np.zeros((len(texts), 2), np.float32)) is None


def test_the_strangers_are_of_three_kinds_and_none_is_there_twice():
    assert {row["about"] for row in table("strangers.tsv")} == {"everyday", "other work", "other medicine"}
    assert len(set(STRANGERS)) == len(STRANGERS)
