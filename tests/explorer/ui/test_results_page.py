from __future__ import annotations

import uuid
from dataclasses import replace
from types import SimpleNamespace

import httpx
import made_results
import pytest
from made_explorer import CORPUS

from explorer import results
from explorer.ui import results_page
from explorer.ui.results_page import ResultsPage

NO_IMPRESSIONS = replace(CORPUS, name="no-impressions", title="Findings alone", sections={"findings": 900})


def test_everything_that_was_measured_is_shown(tmp_path):
    shown = ResultsPage(made_results.write(tmp_path)).show()
    assert "Measured here" in shown
    assert "Films, measured here" in shown


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
    assert "Films, measured here" in shown


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


@pytest.fixture
def measuring(tmp_path, explorer, monkeypatch):
    """A page whose measurements are made up, with the calls that reached them."""
    calls = []

    def measured(*asked):
        *told, data, progress = asked
        progress("Task 2: pocket", 0.0)
        calls.append(told)
        (data / "measured").mkdir(parents=True, exist_ok=True)
        return made_results.write(data / "measured")

    monkeypatch.setattr(results_page, "measure", measured)
    settings = replace(explorer.settings, data=tmp_path / "data")
    page = ResultsPage(made_results.write(tmp_path), replace(explorer, settings=settings, others=(NO_IMPRESSIONS,)))
    return page, calls


def asked(page, task, corpus, encoders=("bm25", "pocket", "unheard-of")):
    return list(page.again(SimpleNamespace(_data={"task": task, "corpus": corpus, "encoders": list(encoders)})))


def test_a_task_measured_again_stands_apart_from_what_was_shipped(measuring):
    page, calls = measuring
    assert "Measured on this machine" not in page.show()
    *steps, last = asked(page, "2", "made-up")
    assert "Task 2: pocket" in steps[0][page.status]
    assert calls == [["2", ["pocket", "bm25"], "made-up"]]
    shown = last[page.shown]
    assert shown.index("Measured here") < shown.index("Measured on this machine") < shown.index("Measure a task again")


def test_any_prepared_corpus_is_measured_as_far_as_it_has_the_texts(measuring):
    page, calls = measuring
    (refused,) = asked(page, "2", "no-impressions")
    assert "Findings alone has no impression: Task 2 cannot be measured on it." in refused[page.status]
    asked(page, "5", "no-impressions")
    assert calls == [["5", ["pocket", "bm25"], "no-impressions"]]


@pytest.mark.parametrize(("task", "corpus"), [("9", "made-up"), ("2", "unheard-of"), ("2", None)])
def test_what_cannot_be_measured_is_said(tmp_path, explorer, task, corpus):
    page = ResultsPage(tmp_path, replace(explorer, settings=replace(explorer.settings, data=tmp_path)))
    (last,) = asked(page, task, corpus)
    assert 'role="alert"' in last[page.status]


def test_beside_the_button_stands_what_a_corpus_cannot_do(tmp_path, explorer):
    alone = ResultsPage(tmp_path, replace(explorer, corpus=NO_IMPRESSIONS)).show()
    line = 'data-of="no-impressions">Findings alone has no impression: Tasks 2 and 3 cannot be measured on it.'
    assert line in alone
    assert '<option value="2" disabled>' in alone
    assert '<option value="1" selected>' in alone
    both = ResultsPage(tmp_path, replace(explorer, others=(NO_IMPRESSIONS,))).show()
    assert 'data-of="no-impressions" hidden>' in both
    assert 'data-lacks="2 3"' in both
    assert '<option value="2" disabled>' not in both


def test_the_page_says_what_may_be_compared(tmp_path):
    assert "Measured here with the paper’s: no" in ResultsPage(tmp_path).show()
