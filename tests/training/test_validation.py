from __future__ import annotations

import zlib

import numpy as np
import pytest

from explorer.corpora import openi
from explorer.corpora.split import in_split
from models.interfaces import SEARCH_INSTRUCTION, SUMMARY_INSTRUCTION
from training.validation import Validation


def words(texts, _instruction=""):
    """Unit rows that count words: a text is most like one that shares its words."""
    rows = np.zeros((len(texts), 512), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().replace(".", " ").split():
            row[zlib.crc32(word.encode()) % 512] += 1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9)


def nothing(texts, _instruction):
    return np.full((len(texts), 2), np.sqrt(0.5), dtype=np.float32)


@pytest.fixture(scope="module")
def validation(made_corpus):
    return Validation(openi.read())


@pytest.fixture(scope="module")
def counted(validation):
    return validation.figures(words, instructed=True)


def test_the_first_figure_is_the_mean_of_the_others(counted):
    name, mean = next(iter(counted.items()))
    assert name == "mean"
    assert mean == pytest.approx(np.mean([value for key, value in counted.items() if key != "mean"]))


def test_an_encoder_that_counts_words_finds_what_shares_its_words(counted):
    assert counted["omitted recall@1"] > 0.3  # chance: 0.05
    assert counted["task 2 recall@1"] > 0.3
    assert counted["task 2 recall@10"] >= counted["task 2 recall@1"]
    assert counted["errors told"] > 0.5


def test_an_encoder_that_tells_nothing_apart_gets_nothing_for_it(validation):
    figures = validation.figures(nothing, instructed=True)
    assert figures["errors told"] == 0
    assert figures["task 2 recall@1"] < 0.1
    assert figures["short recall@1"] < 0.1


@pytest.mark.parametrize("instructed", [True, False])
def test_queries_carry_their_instruction_where_the_tower_is_asked_with_one(validation, instructed):
    asked = []

    def encode(texts, instruction):
        asked.append((instruction, tuple(texts)))
        return words(texts)

    validation.figures(encode, instructed)
    queries = {SEARCH_INSTRUCTION, SUMMARY_INSTRUCTION} if instructed else set()
    assert {instruction for instruction, _ in asked} == queries | {""}


def test_nothing_but_the_validation_split_is_asked(validation):
    asked = set()

    def encode(texts, _instruction):
        asked.update(texts)
        return words(texts)

    validation.figures(encode, instructed=True)
    others = [report for split in ("train", "test") for report in in_split(openi.read().reports, split)]
    theirs = {text for report in others for text in (report.sections["findings"], report.sections["impression"])}
    ours = {report.sections["impression"] for report in in_split(openi.read().reports, "validation")}
    assert not asked & theirs
    assert ours <= asked


def test_the_same_corpus_gives_the_same_questions(validation, counted):
    assert Validation(openi.read()).figures(words, instructed=True) == counted
