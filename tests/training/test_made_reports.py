from __future__ import annotations

import numpy as np
import pytest

from explorer.language.findings import FindingsReader
from training.made_errors import DEVICE_NAMES, reserved_sentences, training_injector
from training.made_reports import CONCLUDED, KINDS, MOST_WRONG, ReportMaker, Statement, _errors

EFFUSION = next(row for row, kind in enumerate(KINDS) if "pleural effusion" in kind.nouns)
SCOLIOSIS = next(row for row, kind in enumerate(KINDS) if "scoliosis" in kind.nouns)
PACEMAKER = next(row for row, kind in enumerate(KINDS) if "pacemaker" in kind.nouns)
SMALL_LEFT = Statement(EFFUSION, degree=1, side=0)


@pytest.fixture(scope="module")
def made():
    maker, draw = ReportMaker(), np.random.default_rng(0)
    return [maker.make(draw) for _ in range(300)]


def test_findings_and_impression_are_whole_sentences(made):
    for report in made:
        for text in (report.findings, report.impression, *report.wrong):
            assert "{" not in text
            assert text.endswith(".")
            assert text[0].isupper()


def test_a_wrong_impression_is_never_the_right_one_and_none_comes_twice(made):
    for report in made:
        assert report.impression not in report.wrong
        assert len(set(report.wrong)) == len(report.wrong) <= MOST_WRONG
    assert sum(len(report.wrong) for report in made) > 4 * len(made)


def test_what_is_not_changed_is_told_in_the_same_words():
    maker = ReportMaker()
    other = Statement(SCOLIOSIS, degree=0)
    for seed in range(20):
        right, wrong = (maker._impression([side, other], seed) for side in (SMALL_LEFT, Statement(EFFUSION, 1, 1)))
        assert right != wrong
        assert right.lower().replace("left", "right") == wrong.lower().replace("right-sided", "right").replace(
            "right", "right-sided" if "left-sided" in right.lower() else "right"
        )


def test_each_attribute_is_turned_the_finding_denied_another_put_in_its_place_and_one_added():
    wrong = _errors([SMALL_LEFT], [Statement(SCOLIOSIS, denied=True)], PACEMAKER, np.random.default_rng(0))
    alone = [statements[0] for statements in wrong if len(statements) == 1]
    assert {one.kind for one in alone} == {EFFUSION, PACEMAKER}
    assert any(one.denied for one in alone)
    assert any(one.side == 0 and one.degree not in (-1, 1) for one in alone)
    assert any(one.side > 0 and one.degree == 1 for one in alone)
    assert {tuple(one.kind for one in statements) for statements in wrong if len(statements) == 2} == {
        (EFFUSION, SCOLIOSIS),
        (EFFUSION, PACEMAKER),
        (EFFUSION, EFFUSION),
    }


def test_the_same_is_told_in_other_words():
    maker, draw = ReportMaker(), np.random.default_rng(0)
    assert len({maker.tell(SMALL_LEFT, CONCLUDED, draw) for _ in range(200)}) > 40


def test_a_reserved_sentence_is_not_told():
    draw = np.random.default_rng(0)
    told = {ReportMaker().tell(SMALL_LEFT, CONCLUDED, draw) for _ in range(300)}
    reserved = frozenset(sorted(told)[:10])
    assert not reserved & {ReportMaker(reserved).tell(SMALL_LEFT, CONCLUDED, draw) for _ in range(300)}


def test_what_is_put_in_is_read_as_what_it_is_kept_under_and_is_none_of_what_evaluations_put_in():
    reserved, reader = reserved_sentences(), FindingsReader.open()
    rows = training_injector(reserved)._rows
    assert len(rows["statement"]) >= 15
    for category in ("statement", "device"):
        for name, texts in rows[category].items():
            assert len(texts) >= 40
            assert not reserved & set(texts)
            assert {(one.name, one.status) for one in reader.read(texts[0], "")} == {(name, "present")}


def test_a_device_is_renamed_to_another_kind():
    reader = FindingsReader.open()
    for name, others in DEVICE_NAMES.items():
        for other in others:
            read = {one.name for one in reader.read(f"There is a {other}.", "")}
            assert read, other
            assert name not in read, (name, other)
