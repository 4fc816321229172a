"""The command line on the real corpus, with BM25: no tower needs to load."""

from __future__ import annotations

import json

import made_trees
import pytest

from explorer.__main__ import main


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def run(capsys, *words):
    status = main(words)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_search_prints_the_documented_json(capsys):
    status, out, _ = run(capsys, "search", "--text", "hiatal hernia", "--encoder", "bm25", "-k", "3", "--json")
    result = json.loads(out)

    assert status == 0
    assert set(result) == {"query", "encoder", "space", "score_name", "corpus", "scope", "seconds", "hits"}
    assert result["query"] == {"kind": "text", "text": "hiatal hernia", "notes": []}
    assert [hit["rank"] for hit in result["hits"]] == [1, 2, 3]
    assert set(result["hits"][0]) >= {"rank", "score", "id", "source", "licence", "sections", "findings"}
    assert "hernia" in json.dumps(result["hits"][0]["sections"]).lower()


def test_search_for_people_names_the_score_and_says_not_for_clinical_use(capsys):
    status, out, _ = run(capsys, "search", "--text", "hiatal hernia", "--encoder", "bm25", "-k", "1")

    assert status == 0
    assert " bm25  openi:" in out
    assert "Not for clinical use" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("search", "--text", " ", "--encoder", "bm25"), "empty"),
        (("search", "--text", "x", "--encoder", "nobody"), "Known: pocket"),
        (("search", "--text", "x", "--corpus", "nowhere"), "Known: openi"),
        (("search", "--image", "/nonexistent.dcm"), "cannot be opened"),
        (("expand", "a" * 4001), "4,000"),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_status_two(capsys, words, says):
    status, out, err = run(capsys, *words)

    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_expand_prints_spans_that_point_into_the_note(capsys):
    note = "sm R PTX s/p CT to WS"
    status, out, _ = run(capsys, "expand", note, "--json")
    expansion = json.loads(out)

    assert status == 0
    assert expansion["expanded"] == "small right pneumothorax status post chest tube to water seal"
    assert all(note[span["start"] : span["end"]] == span["short"] for span in expansion["spans"])


def test_index_info_counts_the_corpus(capsys):
    status, out, _ = run(capsys, "index", "info", "--encoder", "bm25")

    assert status == 0
    assert "3,955 studies (CC BY-NC-ND 4.0)" in out


def test_a_text_file_dressed_as_dicom_is_refused_kindly(capsys, tmp_path):
    file = tmp_path / "JOHN_DOE.dcm"
    file.write_text("not a picture")
    status, out, err = run(capsys, "search", "--image", str(file), "--encoder", "bm25")

    assert (status, out) == (2, "")
    assert "DICOM" in err
    assert "JOHN" not in err


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache of one test's own: what it prepares would lie beside the corpora of the others."""
    monkeypatch.setenv("CXR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_corpus_of_ones_own_is_built_searched_added_to_and_removed(capsys, own_cache, mimic):
    chosen = ("--corpus", "mimic-cxr", "--encoder", "bm25")
    status, out, _ = run(capsys, "index", "build", *chosen, "--root", str(mimic))
    assert status == 0
    assert "MIMIC-CXR: 3 studies (PhysioNet Credentialed Health Data License 1.5.0: not to be shared)" in out
    assert "left out: the report is empty  1" in out

    status, out, _ = run(capsys, "search", *chosen, "--text", "lower lobe pneumonia", "--json")
    result = json.loads(out)
    assert result["corpus"] == "mimic-cxr"
    assert {hit["id"] for hit in result["hits"]} == {"mimic-cxr:50000001", "mimic-cxr:50000003"}
    assert all("PhysioNet" in hit["licence"] for hit in result["hits"])

    made_trees.mimic_report(mimic, 11000003, 50000006, "IMPRESSION: Brand new.")
    status, out, _ = run(capsys, "index", "add", *chosen)
    assert "1 new, 0 changed, 3 unchanged" in out
    assert "4 studies" in out

    status, out, _ = run(capsys, "index", "remove", "--corpus", "mimic-cxr", "--study", "mimic-cxr:50000006")
    assert (status, "3 studies" in out) == (0, True)
    status, out, _ = run(capsys, "index", "info", *chosen, "--left-out")
    assert "mimic-cxr:50000001  aaaa-2.jpg  the film is missing or empty" in out
    assert str(mimic) not in out

    assert run(capsys, "index", "remove", "--corpus", "mimic-cxr")[0] == 0
    status, _, err = run(capsys, "search", *chosen, "--text", "pneumonia")
    assert (status, "has not been prepared yet" in err) == (2, True)


def test_a_table_goes_by_the_name_in_its_mapping(capsys, own_cache, tmp_path):
    root, mapping = made_trees.table(tmp_path)
    words = ("index", "build", "--corpus", "table", "--root", str(root), "--mapping", str(mapping))
    status, out, _ = run(capsys, *words, "--section-rule", "whole", "--encoder", "bm25")
    assert (status, "Our hospital: 2 studies (internal use)" in out) == (0, True)
    status, out, _ = run(capsys, "search", "--corpus", "our-hospital", "--encoder", "bm25", "--text", "clear", "--json")
    assert json.loads(out)["hits"][0]["id"] == "our-hospital:B2"
    status, out, _ = run(capsys, "index", "build", "--corpus", "our-hospital", "--encoder", "bm25")
    assert (status, "left out: no findings and no impression: kept, but not searched  1" in out) == (0, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("build", "--corpus", "nowhere", "--root", "."), "Known: openi, mimic-cxr"),
        (("build", "--corpus", "mimic-cxr"), "--root"),
        (("build", "--corpus", "mimic-cxr", "--root", "/nonexistent"), "--root"),
        (("build", "--corpus", "table", "--root", "."), "--mapping"),
        (("build", "--corpus", "mimic-cxr", "--root", ".", "--encoder", "nobody"), "Known: pocket"),
        (("add", "--corpus", "mimic-cxr", "--root", "."), "MIMIC-CXR"),
        (("remove", "--corpus", "mimic-cxr"), "not been prepared"),
        (("remove", "--corpus", "../cache"), "There is no corpus"),
        (("info", "--corpus", "nowhere"), "There is no corpus"),
    ],
)
def test_an_index_command_that_cannot_run_says_why_and_prepares_nothing(capsys, own_cache, words, says):
    status, out, err = run(capsys, "index", *words)

    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert not list(own_cache.rglob("*.sqlite"))


def test_a_command_that_is_interrupted_says_that_it_can_go_on(capsys, own_cache, monkeypatch):
    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("explorer.store.sqlite3.connect", interrupt)
    status, _, err = run(capsys, "index", "build", "--encoder", "bm25")

    assert status == 130
    assert "goes on where it was" in err
    assert not list(own_cache.rglob("manifest.json"))
