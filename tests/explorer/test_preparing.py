"""Corpora prepared, added to and taken from, with real readers, stores and indexes; only the tower is replaced."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import made_trees
import numpy as np
import psutil
import pytest

from explorer import preparing
from explorer.choices import RankerChoice
from explorer.corpora.base import Options, Place, Source, Study
from explorer.errors import BadQuery, CorpusError, NotPrepared, UnknownCorpus
from explorer.files import changing
from explorer.indexes import Indexes
from explorer.language.findings import revision
from explorer.preparing import Order
from explorer.search import Explorer
from explorer.settings import Settings
from explorer.store import ReportStore
from explorer.types import Filters, FindingFilter
from models.interfaces import EncoderInfo

CHOICES = (RankerChoice("letters", "letters", frozenset(("text",)), ""),)


class LetterCounter:
    """Counts letters: fast, and different for different texts."""

    info = EncoderInfo("letters", "report", 32, 64, "cosine", "fp32", "cpu", "r1")

    def __init__(self):
        self.asked = []

    def encode(self, texts, instruction=""):
        self.asked.extend(texts)
        counts = np.array([np.bincount(np.frombuffer(text.encode(), np.uint8) % 32, minlength=32) for text in texts])
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


class Towers:
    def __init__(self):
        self.one = LetterCounter()

    def text(self, name):
        return self.one

    def dual(self, name):
        raise AssertionError("nothing here asks for films")


@pytest.fixture
def settings(tmp_path):
    return Settings(corpus="mimic-cxr", encoder="letters", cache=tmp_path / "cache")


@pytest.fixture
def order(mimic):
    return Order("mimic-cxr", Place(mimic))


@pytest.fixture
def towers():
    return Towers()


@pytest.fixture
def explorer(settings, order, towers):
    """Search over the small MIMIC-CXR."""
    preparing.build(settings, order)
    return over(settings, towers)


def over(settings, towers, *others):
    return Explorer(settings, preparing.opened(settings, settings.corpus), towers, CHOICES, others)


def found(explorer, text):
    return explorer.by_text(text, encoder="letters", k=1).hits[0].report.id


def everything_under(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_prepared_corpus_is_searched_and_carries_the_terms_of_its_source(explorer):
    result = explorer.by_text("Right lower lobe pneumonia.", encoder="letters")
    assert result.corpus == "mimic-cxr"
    assert {hit.report.id for hit in result.hits} == {"mimic-cxr:50000001", "mimic-cxr:50000003"}
    assert all("PhysioNet" in hit.report.licence for hit in result.hits)
    assert "Johnson" in explorer.corpus.attribution


def test_findings_and_the_sex_an_indication_states_are_read_when_a_corpus_is_prepared(settings, order):
    store = preparing.build(settings, order)
    (report,) = store.get(["mimic-cxr:50000001"])
    assert ("Pneumonia", "present") in {(finding.name, finding.status) for finding in report.findings}
    assert store.matching(Filters(findings=(FindingFilter("Pneumonia", "present"),))) >= {report.id}
    assert store.read_by == revision()


def test_a_corpus_read_by_older_rules_is_read_again_from_itself_and_keeps_its_vectors(settings, order, mimic, towers):
    preparing.build(settings, order)
    over(settings, towers).prepare("text")
    made = list(towers.one.asked)
    old = preparing.opened(settings, "mimic-cxr")
    bare = (replace(item, report=replace(item.report, findings=())) for item in old.items() if isinstance(item, Study))
    info = old.info
    terms = (info.name, info.title, info.licence, info.attribution, info.studies, bare, info.sha256)
    ReportStore.write(settings.cache / "corpora" / "mimic-cxr", Source(*terms), origin=old.origin)
    shutil.rmtree(mimic)

    again = preparing.opened(settings, "mimic-cxr")
    assert list(again.reports()) == list(old.reports())
    assert (again.read_by, again.origin) == (revision(), old.origin)
    over(settings, towers).prepare("text")
    assert towers.one.asked == made


def test_what_was_left_out_is_remembered_with_the_corpus(explorer, settings):
    assert preparing.opened(settings, "mimic-cxr").info.left_out == {
        "no findings and no impression: kept, but not searched": 1,
        "the film is missing or empty": 2,
        "the report is empty": 1,
        "the report is no text in UTF-8": 1,
        "films without a report": 1,
    }


def test_adding_reads_new_and_changed_studies_and_encodes_no_other_text(explorer, settings, order, towers, mimic):
    explorer.rebuild("letters", "report")
    first = list(towers.one.asked)
    made_trees.mimic_report(mimic, 10000002, 50000003, "IMPRESSION: Rewritten.")
    made_trees.mimic_report(mimic, 11000003, 50000006, "IMPRESSION: Brand new.")
    made_trees.mimic_report(mimic, 11000003, 50000004, "IMPRESSION: No longer empty.")

    store, counts = preparing.add(settings, order)
    again = over(settings, towers)
    again.catch_up("letters", "report")

    assert counts == {"new": 2, "changed": 1, "unchanged": 2}
    assert sorted(towers.one.asked[len(first) :]) == ["Brand new.", "No longer empty.", "Rewritten."]
    assert store.info.studies == 5
    assert store.info.left_out.get("the report is empty") is None
    assert found(again, "Rewritten.") == "mimic-cxr:50000003"
    assert len(Indexes(settings.cache).of("mimic-cxr")) == 1


def test_what_was_added_bit_by_bit_is_what_is_read_at_once(explorer, settings, order, towers, mimic, tmp_path):
    made_trees.mimic_report(mimic, 11000003, 50000006, "IMPRESSION: Brand new.")
    added, _ = preparing.add(settings, order)
    at_once = preparing.build(Settings(cache=tmp_path / "other"), order)
    assert added.info == at_once.info


def test_adding_from_a_folder_of_new_studies_alone_keeps_the_others(explorer, settings, tmp_path):
    made_trees.mimic_report(tmp_path / "new", 12000001, 50000050, "IMPRESSION: Another hospital day.")
    store, counts = preparing.add(settings, Order("mimic-cxr", Place(tmp_path / "new")))
    assert counts == {"new": 1}
    assert store.info.studies == 4
    assert store.info.left_out["the report is empty"] == 1
    assert store.find("mimic-cxr:50000001") is not None


def test_adding_nothing_new_makes_no_vector_stale(explorer, settings, order, towers):
    explorer.rebuild("letters", "report")
    asked = len(towers.one.asked)
    _, counts = preparing.add(settings, order)
    over(settings, towers).catch_up("letters", "report")
    assert counts == {"unchanged": 3}
    assert len(towers.one.asked) == asked


def test_removed_studies_leave_reports_words_and_vectors_without_any_tower(explorer, settings, towers):
    explorer.rebuild("letters", "report")
    (folder,) = Indexes(settings.cache).of("mimic-cxr")
    asked = len(towers.one.asked)

    store = preparing.remove_studies(settings, "mimic-cxr", ["mimic-cxr:50000003"])
    after = over(settings, towers)

    assert store.info.studies == 2
    assert store.bm25("right", "report", 5, None) == []
    assert found(after, "Right lower lobe pneumonia.") == "mimic-cxr:50000001"
    assert towers.one.asked[asked:] == ["Right lower lobe pneumonia."]
    assert not folder.exists()
    assert b"50000003" not in everything_under(settings.cache)


def test_a_study_that_is_not_there_is_refused_and_nothing_removed(explorer, settings):
    with pytest.raises(BadQuery):
        preparing.remove_studies(settings, "mimic-cxr", ["mimic-cxr:50000001", "mimic-cxr:1"])
    assert preparing.opened(settings, "mimic-cxr").info.studies == 3
    with pytest.raises(BadQuery, match="package"):
        preparing.remove_studies(settings, "openi", ["openi:1"])


def test_a_removed_corpus_leaves_nothing_behind(explorer, settings):
    explorer.rebuild("letters", "report")
    preparing.remove(settings, "mimic-cxr")
    assert everything_under(settings.cache) == b""
    with pytest.raises(NotPrepared, match="index build --corpus mimic-cxr"):
        preparing.opened(settings, "mimic-cxr")


def test_a_stopped_build_goes_on_where_it_was_also_in_another_process(settings, towers, mimic, order):
    for study in range(51000000, 51000600):
        made_trees.mimic_report(mimic, 10000001, study, f"IMPRESSION: Study number {study}.")
    preparing.build(settings, order)
    encode, calls = towers.one.encode, []

    def stops(texts, instruction=""):
        calls.append(len(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encode(texts, instruction)

    towers.one.encode = stops
    with pytest.raises(KeyboardInterrupt):
        over(settings, towers).rebuild("letters", "report")
    assert Indexes(settings.cache).of("mimic-cxr") == {}

    fresh = Towers()
    preparing.build(settings, order)
    over(settings, fresh).rebuild("letters", "report")
    assert len(fresh.one.asked) == 602 - 512
    assert list((settings.cache / "unfinished").iterdir()) == []


def test_a_build_that_fails_leaves_the_prepared_corpus(explorer, settings, order, mimic):
    (mimic / "mimic-cxr-2.0.0-split.csv.gz").write_bytes(b"\x1f\x8b damaged")
    with pytest.raises(CorpusError, match="split"):
        preparing.build(settings, order)
    assert preparing.opened(settings, "mimic-cxr").info.studies == 3


def test_corpora_lie_side_by_side_and_are_searched_by_name(explorer, settings, towers, tmp_path):
    root, mapping = made_trees.table(tmp_path / "ours")
    preparing.build(settings, Order("table", Place(root, mapping), Options(sections="whole")))
    both = over(settings, towers, preparing.opened(settings, "our-hospital"))

    assert [corpus.name for corpus in both.corpora()] == ["mimic-cxr", "our-hospital"]
    assert [store.info.name for store in preparing.prepared_beside(settings, "mimic-cxr")] == ["our-hospital"]
    result = both.by_text("Clear lungs.", encoder="letters", corpus="our-hospital")
    assert (result.corpus, result.hits[0].report.id) == ("our-hospital", "our-hospital:B2")
    assert both.by_text("Clear lungs.", encoder="letters").corpus == "mimic-cxr"
    with pytest.raises(UnknownCorpus, match="mimic-cxr, our-hospital"):
        both.by_text("Clear lungs.", encoder="letters", corpus="elsewhere")


def test_how_a_corpus_was_asked_for_is_remembered_for_the_next_time(settings, mimic):
    order = Order("mimic-cxr", Place(mimic), Options("frontal", "last-paragraph", "train"))
    preparing.build(settings, order)
    assert preparing.remembered(settings, "mimic-cxr") == order
    assert preparing.remembered(settings, "padchest") is None


@pytest.mark.parametrize("name", ["../cache", "nowhere", "", ".", "corpora/mimic-cxr"])
def test_a_name_is_never_a_path(explorer, settings, name):
    for act in (preparing.opened, preparing.remove):
        with pytest.raises(UnknownCorpus, match="Known: openi, mimic-cxr"):
            act(settings, name)
    assert preparing.opened(settings, "mimic-cxr").info.studies == 3


def test_a_damaged_corpus_is_not_offered_and_building_it_repairs_it(explorer, settings, order):
    next(settings.cache.rglob("reports.sqlite")).write_bytes(b"?")
    assert preparing.prepared_beside(settings, "openi") == []
    assert preparing.remembered(settings, "mimic-cxr") is None
    assert preparing.build(settings, order).info.studies == 3
    assert [store.info.name for store in preparing.prepared_beside(settings, "openi")] == ["mimic-cxr"]


def test_progress_ends_at_one_and_names_the_corpus_only(settings, order):
    told = []
    preparing.build(settings, order, lambda what, share: told.append((what, share)))
    assert told[-1] == ("Reading MIMIC-CXR", 1.0)


def many_reports(root: Path, reports: int) -> None:
    """A tree in the shape of MIMIC-CXR, of so many different reports, four to a patient."""
    dice = np.random.default_rng(0)
    words = ("small", "left", "right", "basal", "opacity", "effusion", "no", "heart", "large", "clear", "line", "rib")
    for number in range(reports):
        patient = 10000000 + number // 4 * 37 % 9_999_999
        body = " ".join(words[pick] for pick in dice.integers(len(words), size=60))
        text = made_trees.NOTE.replace("A patchy opacity", f"Number {number}: {body}")
        folder = root / "files" / f"p{str(patient)[:2]}" / f"p{patient}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"s{50000000 + number}.txt").write_text(text)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_a_hundred_thousand_reports_are_prepared_in_flat_memory(tmp_path, capsys):
    reports = int(os.environ.get("CXR_MANY_REPORTS", "100000"))
    many_reports(tmp_path / "mimic", reports)
    settings = Settings(corpus="mimic-cxr", encoder="letters", cache=tmp_path / "cache")
    gc.collect()
    watched, begun = psutil.Process(), time.perf_counter()
    before = peak = watched.memory_info().rss

    def watch(what, share):
        nonlocal peak
        peak = max(peak, watched.memory_info().rss)

    preparing.build(settings, Order("mimic-cxr", Place(tmp_path / "mimic")), watch)
    read = time.perf_counter() - begun
    over(settings, Towers()).rebuild("letters", "report", watch)
    watch("", 1)
    grown = (peak - before) / 2**20
    with capsys.disabled():
        seconds = time.perf_counter() - begun
        sys.stdout.write(f"\n{reports:,} reports: read in {read:.0f} s, all in {seconds:.0f} s, +{grown:.0f} MB\n")
    assert preparing.opened(settings, "mimic-cxr").info.scopes["report"] == reports
    assert grown < 150


@pytest.fixture
def two_more(tmp_path):
    """Two trees of the same corpus with one study each that the other has not."""
    roots = []
    for number in (1, 2):
        roots.append(made_trees.mimic(tmp_path / f"more-{number}"))
        made_trees.mimic_report(roots[-1], 10000001, 52000000 + number, f"IMPRESSION: Addition {number}.")
    return [Order("mimic-cxr", Place(root)) for root in roots]


def test_of_two_additions_at_once_none_is_lost(settings, explorer, two_more):
    in_the_middle, waited = threading.Event(), []

    def dawdle(message, share):
        in_the_middle.set()
        time.sleep(0.05)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(preparing.add, settings, two_more[0], dawdle)
        assert in_the_middle.wait(20)
        second = threads.submit(preparing.add, settings, two_more[1], lambda message, share: waited.append(message))
        assert first.result()[1]["new"] == second.result()[1]["new"] == 1
    assert "Waiting for another change of mimic-cxr" in waited
    store = preparing.opened(settings, "mimic-cxr")
    assert {"mimic-cxr:52000001", "mimic-cxr:52000002"} <= {
        item.report.id for item in store.items() if hasattr(item, "report")
    }


def test_an_addition_to_a_corpus_that_is_removed_meanwhile_finds_nothing_to_add_to(settings, explorer, two_more):
    removed = []

    def remove(message, share):
        removed.append(message)

    with ThreadPoolExecutor(1) as threads:
        with changing(settings.cache / "corpora" / "mimic-cxr", "reports", remove):
            waiting = threads.submit(preparing.add, settings, two_more[0], remove)
            while not removed:
                time.sleep(0.01)
            shutil.rmtree(settings.cache / "corpora" / "mimic-cxr")
        with pytest.raises(NotPrepared):
            waiting.result()
