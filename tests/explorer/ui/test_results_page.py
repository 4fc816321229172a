from __future__ import annotations

import uuid
from dataclasses import replace
from types import SimpleNamespace

import httpx
import made_results
from made_explorer import CORPUS

from explorer import results
from explorer.ui import results_page
from explorer.ui.results_page import ResultsPage

OPEN_I = replace(CORPUS, name="openi", title="Open-I")


def test_everything_that_was_measured_is_shown(tmp_path):
    shown = ResultsPage(made_results.write(tmp_path)).show()
    assert "Measured here" in shown
    assert "Film → reports, measured here" in shown


def test_before_anything_was_measured_the_page_says_the_command(tmp_path):
    shown = ResultsPage(tmp_path).show()
    assert "python -m training.evaluate" in shown
    assert 'role="alert"' not in shown


def test_the_papers_figures_are_shown_whether_or_not_anything_was_measured(tmp_path):
    (tmp_path / "paper.json").write_bytes((results.FOLDER / "paper.json").read_bytes())
    shown = ResultsPage(tmp_path).show()
    assert shown.index("Nothing has been measured yet") < shown.index("Reported by the paper")


def test_a_damaged_file_is_told_in_its_place_and_hides_no_other(tmp_path):
    (made_results.write(tmp_path) / "text.json").write_bytes(b'{"rows": [')
    shown = ResultsPage(tmp_path).show()
    assert 'role="alert">The result file text.json is damaged' in shown
    assert str(tmp_path) not in shown
    assert "Film → reports, measured here" in shown


def test_a_new_measurement_is_there_at_the_next_visit(tmp_path):
    shown = ResultsPage(tmp_path)
    assert "Nothing has been measured yet" in shown.show()
    made_results.write(tmp_path)
    assert "Nothing has been measured yet" not in shown.show()


def test_a_browser_that_opens_the_app_gets_the_tables(served):
    with httpx.Client(base_url=served.address, timeout=20) as web:
        config = web.get("config").json()
        part = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "measured")
        event = next(one["id"] for one in config["dependencies"] if part in one["outputs"])
        session = uuid.uuid4().hex
        web.post("gradio_api/queue/join", json={"data": [], "fn_index": event, "session_hash": session})
        events = web.get("gradio_api/queue/data", params={"session_hash": session}).text
    assert '"success":true' in events
    assert "Measured here" in events


def test_a_task_measured_again_stands_apart_from_what_was_shipped(tmp_path, explorer, monkeypatch):
    def measured(task, encoders, data, progress):
        progress("Task 2: pocket", 0.0)
        assert (task, encoders) == ("2", ["pocket", "bm25"])
        (data / "measured").mkdir(parents=True)
        return made_results.write(data / "measured")

    monkeypatch.setattr(results_page, "measure", measured)
    settings = replace(explorer.settings, data=tmp_path / "data")
    page = ResultsPage(made_results.write(tmp_path), replace(explorer, settings=settings, corpus=OPEN_I))
    assert "Measured on this machine" not in page.show()
    asked = {"task": "2", "encoders": ["bm25", "pocket", "unheard-of"]}
    *steps, last = page.again(SimpleNamespace(_data=asked))
    assert "Task 2: pocket" in steps[0][page.status]
    shown = last[page.shown]
    assert shown.index("Measured here") < shown.index("Measured on this machine") < shown.index("Measure a task again")


def test_what_cannot_be_measured_is_said(tmp_path, explorer):
    page = ResultsPage(tmp_path, replace(explorer, settings=replace(explorer.settings, data=tmp_path)))
    (last,) = page.again(SimpleNamespace(_data={"task": "9", "encoders": ["pocket"]}))
    assert 'role="alert"' in last[page.status]


def test_another_corpus_than_open_i_is_not_measured_and_the_page_says_why(tmp_path, explorer):
    shown = ResultsPage(tmp_path, explorer).show()
    assert "The tasks are defined on the test split of Open-I, and Made-up reports is loaded" in shown
    assert "<form" not in shown


def test_the_page_says_what_may_be_compared(tmp_path):
    assert "Measured here with the paper’s: no" in ResultsPage(tmp_path).show()
