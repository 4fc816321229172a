"""A corpus prepared for the app, measured: with the real reader of tables, its store, and the real command."""

from __future__ import annotations

import csv
import sys

import pytest
from toys import WordCounts

from explorer import preparing
from explorer.corpora.base import Place
from explorer.corpora.split import split_of_patient
from explorer.preparing import Order
from explorer.settings import Settings
from models.interfaces import CxrError
from training import evaluate
from training.evaluate import built, measured_texts
from training.prepared import read_prepared
from training.tasks.base import dense, words

MAPPING = """
name = "ward-7"
title = "Ward 7"
licence = "Written for this test"
attribution = "Nobody"
file = "reports.csv"
[columns]
study = "study"
patient = "patient"
findings = "findings"
impression = "impression"
"""
PLACES = ("right apex", "left apex", "right base", "left base", "both bases", "left hilum", "right hilum")


@pytest.fixture
def prepare(tmp_path):
    """Prepares a made-up corpus of so many patients with one study each."""

    def made(patients=60, impression="Opacity {number}, {place}."):
        settings = Settings(cache=tmp_path / "cache", data=tmp_path / "data")
        (tmp_path / "map.toml").write_text(MAPPING)
        with (tmp_path / "reports.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["study", "patient", "findings", "impression"])
            for number in range(patients):
                place = PLACES[number % len(PLACES)]
                told = f"Opacity {number} at the {place}, unchanged since the prior film. No effusion."
                table.writerow([f"s{number}", f"p{number}", told, impression.format(number=number, place=place)])
        preparing.build(settings, Order("table", Place(tmp_path, tmp_path / "map.toml")))
        return settings

    return made


def test_studies_are_in_the_splits_of_their_patients(prepare):
    corpus = read_prepared(prepare(), "ward-7")
    wanted = {f"ward-7:s{number}" for number in range(60) if split_of_patient(f"p{number}") == "test"}
    assert {report.id for report in corpus.of("test")} == wanted
    assert len(corpus.reports) == 60
    assert corpus.name == "ward-7"


def test_of_a_large_corpus_some_are_drawn_and_its_name_says_how_many(prepare):
    settings = prepare()
    total = len(read_prepared(settings, "ward-7").of("test"))
    some, same = (read_prepared(settings, "ward-7", most=3) for _ in range(2))
    assert (len(some.of("test")), len(some.of("train"))) == (3, 3)
    assert some.name == f"ward-7, 3 of {total} test studies drawn"
    assert [report.id for report in some.reports] == [report.id for report in same.reports]


def test_a_task_is_measured_on_it_with_n_chance_and_checkpoint(prepare):
    corpus = read_prepared(prepare(), "ward-7")
    n = len(corpus.of("test"))
    results = measured_texts(corpus, "test", built(["2"], corpus, "test"), [dense(WordCounts()), words()])
    assert (results["corpus"], results["corpus_sha256"]) == ("ward-7", corpus.sha256)
    row = next(
        row
        for row in results["rows"]
        if (row["task"], row["part"], row["measure"], row["encoder"]) == ("2", "all", "recall@1", "bm25")
    )
    assert (row["n"], row["value"], row["chance"]) == (n, 1.0, pytest.approx(1 / n, abs=1e-4))
    assert results["encoders"][0]["revision"] == "r1"


@pytest.mark.parametrize("task", ["2", "3"])
def test_a_corpus_without_impressions_is_refused_what_asks_for_them(prepare, task):
    corpus = read_prepared(prepare(impression=""), "ward-7")
    with pytest.raises(CxrError, match=f"Task {task} needs studies with findings and impression; the test split of"):
        built([task], corpus, "test")


def test_what_finds_nothing_to_ask_is_refused(prepare):
    corpus = read_prepared(prepare(impression="Seen {number}."), "ward-7")  # takes no error
    with pytest.raises(CxrError, match="Task 3 finds nothing to ask"):
        built(["3"], corpus, "test")


def test_the_command_measures_a_prepared_corpus(prepare, tmp_path, monkeypatch, capsys):
    prepare()
    monkeypatch.setenv("CXR_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "text.json"
    asked = ["--encoders", "bm25", "--tasks", "2", "--prepared", "ward-7", "--json", str(file)]
    monkeypatch.setattr(sys, "argv", ["evaluate", *asked])
    evaluate.main()
    assert '"corpus": "ward-7"' in file.read_text()
    assert "ward-7, test split" in capsys.readouterr().out


def test_a_corpus_that_is_not_prepared_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["evaluate", "--encoders", "bm25", "--tasks", "2", "--prepared", "nosuch"])
    with pytest.raises(SystemExit):
        evaluate.main()
    assert "There is no corpus 'nosuch'" in capsys.readouterr().err
