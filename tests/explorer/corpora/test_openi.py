from __future__ import annotations

from collections import Counter

import pytest

from explorer.corpora import openi
from explorer.errors import CorpusMissing


@pytest.fixture(scope="module")
def corpus():
    return openi.read()


def test_all_published_reports_are_read_and_counted_by_section(corpus):
    counts = Counter(name for report in corpus.reports for name in report.sections)

    assert len(corpus.reports) == 3955
    assert counts["findings"] == 3425
    assert counts["impression"] == 3921
    assert counts["indication"] == 3865
    assert sum({"findings", "impression"} <= report.sections.keys() for report in corpus.reports) == 3419


def test_reports_are_ordered_by_study_number_and_named_by_it(corpus):
    numbers = [int(report.id.removeprefix("openi:")) for report in corpus.reports]

    assert numbers == sorted(set(numbers))


def test_studies_without_films_are_kept(corpus):
    assert sum(report.meta.films == 0 for report in corpus.reports) == 104


def test_views_and_ages_are_taken_from_the_film_table(corpus):
    ages = [report.meta.age for report in corpus.reports if report.meta.age is not None]

    assert sum(bool(report.meta.views) for report in corpus.reports) == 2602
    assert (min(ages), max(ages)) == (17, 99)
    assert {view for report in corpus.reports for view in report.meta.views} == {"PA", "AP", "LATERAL"}


def test_expert_codes_are_kept_as_the_source_writes_them(corpus):
    assert sum(report.meta.codes == ("normal",) for report in corpus.reports) == 1391


def test_every_report_carries_its_licence(corpus):
    assert {report.licence for report in corpus.reports} == {"CC BY-NC-ND 4.0"} == {corpus.licence}


def test_the_source_is_identified_without_reading_its_reports(corpus):
    assert openi.source_sha256() == corpus.sha256


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
