from __future__ import annotations

import uuid

import httpx
import made_results

from explorer import results
from explorer.ui.results_page import ResultsPage


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
