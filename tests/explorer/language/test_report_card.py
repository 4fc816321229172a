from __future__ import annotations

import time
from pathlib import Path

import pytest

from explorer.corpora.base import Corpus
from explorer.corpora.split import study_number
from explorer.errors import CorpusError
from explorer.language.findings import FindingsReader
from explorer.language.report_card import (
    Half,
    HandLabel,
    Tally,
    hand_pairs,
    macro_f1,
    micro_f1,
    read_hand_labels,
    report_card,
    tally,
)
from explorer.types import Report

HAND_LABELS = Path(__file__).with_name("finding_labels.tsv")
FRESH_LABELS = Path(__file__).with_name("finding_labels_fresh.tsv")
READER = FindingsReader.open()


def test_a_tally_gives_precision_recall_and_f1():
    row = Tally(right=3, invented=1, missed=2)
    assert (row.precision, row.recall, row.f1) == (0.75, 0.6, 6 / 9)
    assert Tally().f1 == 0


def test_a_mention_is_right_only_with_its_status():
    pairs = [
        ({"Edema": "present", "Fracture": "absent"}, {"Edema": "present", "Fracture": "present"}),
        ({"Edema": "uncertain"}, {}),
        ({}, {"Hernia": "present"}),
    ]
    rows = tally(pairs, lambda name, _: name)
    assert rows == {"Edema": Tally(1, 0, 1), "Fracture": Tally(0, 1, 1), "Hernia": Tally(0, 1, 0)}
    assert micro_f1(rows) == pytest.approx(2 / (2 + 2 + 2))


def test_macro_f1_leaves_out_what_is_rare():
    assert macro_f1({"Edema": Tally(4, 0, 1), "Hernia": Tally(0, 0, 4)}) == pytest.approx(8 / 9)


def test_an_unknown_label_is_refused(tmp_path: Path):
    file = tmp_path / "labels.tsv"
    file.write_text("study\tsection\tstart\tend\tlabels\n1\tfindings\t0\t5\tEdema=maybe\n")
    with pytest.raises(CorpusError, match="unknown label or status"):
        read_hand_labels(file)


@pytest.mark.parametrize(("file", "count"), [(HAND_LABELS, 725), (FRESH_LABELS, 239)])
def test_the_hand_labels_are_sentences_of_the_corpus_each_once(file: Path, count: int, open_i: Corpus):
    labels = read_hand_labels(file)
    by_number = {study_number(report): report for report in open_i.reports}
    assert len(labels) == len({(one.study, one.section, one.start) for one in labels}) == count
    for one in labels:
        section = by_number[one.study].sections[one.section]
        assert 0 <= one.start < one.end <= len(section)
        assert section[one.start : one.end].strip() == section[one.start : one.end]


def test_a_study_is_in_one_half():
    assert HandLabel(5, "findings", 0, 1, {}).half == HandLabel(5, "impression", 9, 12, {}).half


@pytest.mark.parametrize(
    ("file", "half"), [(HAND_LABELS, "development"), (HAND_LABELS, "held-out"), (FRESH_LABELS, "held-out")]
)
def test_the_rules_agree_with_the_hand_labels(file: Path, half: Half, open_i: Corpus):
    chosen = [one for one in read_hand_labels(file) if one.half == half]
    by_number = {study_number(report): report for report in open_i.reports}
    pairs = hand_pairs(chosen, by_number, READER)
    assert len(chosen) > 200
    assert macro_f1(tally(pairs, lambda name, _: name)) >= 0.85
    assert macro_f1(tally(pairs, lambda name, status: f"{name} {status}")) >= 0.80


def test_a_report_is_read_in_two_milliseconds(open_i: Corpus):
    chosen = open_i.reports[::20]
    best = min(_seconds(chosen) for _ in range(3))
    assert best / len(chosen) <= 0.002


def _seconds(chosen: tuple[Report, ...]) -> float:
    started = time.process_time()
    for report in chosen:
        READER.read_report(report.sections)
    return time.process_time() - started


@pytest.mark.slow
def test_the_card_names_every_figure_with_its_n():
    card = report_card([HAND_LABELS, FRESH_LABELS])
    assert "3955 reports read" in card
    assert "finding_labels, development half: 336 sentences" in card
    assert "finding_labels, held-out half: 389 sentences" in card
    assert "finding_labels_fresh, held-out half: 239 sentences" in card
    assert "2556 of 3927 reports kept" in card
