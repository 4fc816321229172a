from __future__ import annotations

from collections import Counter

import pytest

from explorer.corpora import openi
from explorer.errors import CorpusMissing


def test_all_published_reports_are_read_and_counted_by_section(open_i):
    counts = Counter(name for report in open_i.reports for name in report.sections)

    assert len(open_i.reports) == 3955
    assert counts["findings"] == 3425
    assert counts["impression"] == 3921
    assert counts["indication"] == 3865
    assert sum({"findings", "impression"} <= report.sections.keys() for report in open_i.reports) == 3419


def test_reports_are_ordered_by_study_number_and_named_by_it(open_i):
    numbers = [int(report.id.removeprefix("openi:")) for report in open_i.reports]

    assert numbers == sorted(set(numbers))


def test_studies_without_films_are_kept(open_i):
    assert sum(report.meta.films == 0 for report in open_i.reports) == 104


def test_views_and_ages_are_taken_from_the_film_table(open_i):
    ages = [report.meta.age for report in open_i.reports if report.meta.age is not None]

    assert sum(bool(report.meta.views) for report in open_i.reports) == 2602
    assert (min(ages), max(ages)) == (17, 99)
    assert {view for report in open_i.reports for view in report.meta.views} == {"PA", "AP", "LATERAL"}


def test_expert_codes_are_kept_as_the_source_writes_them(open_i):
    assert sum(report.meta.codes == ("normal",) for report in open_i.reports) == 1391


def test_every_report_carries_its_licence(open_i):
    assert {report.licence for report in open_i.reports} == {"CC BY-NC-ND 4.0"} == {open_i.licence}


def test_the_source_is_identified_without_reading_its_reports(open_i):
    assert openi.source_sha256() == open_i.sha256


def test_a_missing_package_is_answered_with_how_to_install_it(monkeypatch):
    monkeypatch.setattr(openi, "find_spec", lambda _: None)

    with pytest.raises(CorpusMissing, match=r"requirements-weights\.txt"):
        openi.read()


@pytest.mark.parametrize(
    ("born", "seen", "age"),
    [
        ("19550820", "20110328", 55),
        ("19550328", "20110328", 56),
        ("19550820.0", "20110820.0", 56),
        ("", "20110328", None),
        ("20120101", "20110328", None),
    ],
)
def test_age_is_counted_in_completed_years(born, seen, age):
    assert openi._age(born, seen) == age
