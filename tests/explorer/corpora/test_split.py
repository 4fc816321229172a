from __future__ import annotations

import pytest

from explorer.corpora.split import in_split, split_of, study_number
from explorer.types import Report, StudyMeta


def report(number: int, findings: str) -> Report:
    return Report(f"openi:{number}", "openi", {"findings": findings}, (), StudyMeta(), "ours")


@pytest.mark.parametrize(
    ("study", "split"),
    [(5, "test"), (10, "test"), (1, "validation"), (11, "validation"), (2, "train"), (16, "train"), (3999, "train")],
)
def test_the_study_number_alone_decides_the_split(study, split):
    assert split_of(study) == split


def test_a_training_study_with_a_test_studys_findings_is_dropped():
    reports = [report(5, "Lungs  clear."), report(2, "Lungs clear."), report(3, "Large effusion."), report(1, "x")]

    assert [study_number(r) for r in in_split(reports, "train")] == [3]
    assert [study_number(r) for r in in_split(reports, "test")] == [5]


def test_studies_without_findings_are_not_taken_for_copies_of_each_other():
    reports = [report(5, ""), report(2, "")]

    assert [study_number(r) for r in in_split(reports, "train")] == [2]


def test_open_i_splits_into_the_published_numbers_of_pairs(open_i):
    def pairs(split):
        return sum({"findings", "impression"} <= r.sections.keys() for r in in_split(open_i.reports, split))

    assert (pairs("train"), pairs("validation"), pairs("test")) == (1909, 346, 672)
