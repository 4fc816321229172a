"""Whatever fails, the page says so in words, the app lives, and the next question is answered."""

from __future__ import annotations

import threading
import time

import httpx
import psutil
import pytest
from made_films import dataset, file_of, wedge
from visitor import Visitor, finished, shown

from explorer.ui import work

FILM = file_of(dataset(wedge(12, False), 12))
FAULTS = {
    "raises": "(ValueError)",
    "NaN": "no usable vector",
    "another shape": "another dimension",
    "no rows": "Choose another encoder",
    "no memory": "ran out of memory",
    "no GPU memory": "ran out of memory",
    "hangs": "given up",
}


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(work, "PATIENCE", 0.5)
    monkeypatch.setattr(work, "BEAT", 0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("mood", FAULTS)
def test_an_encoder_that_fails_is_told_in_words_and_the_next_question_answered(home, visitor, mood, capfd):
    visitor.ask("effusion")  # loaded, so that nothing announces itself
    home.towers.texts.mood = mood
    try:
        answer = visitor.ask("zebra effusion")
    finally:
        home.towers.texts.mood = "well"
    assert finished(answer)["success"]
    assert 'role="alert"' in shown(answer).replace("\\", "") or "role=&quot;alert" in shown(answer)
    assert FAULTS[mood] in shown(answer)
    assert "Large right effusion" in shown(visitor.ask("effusion"))
    heard = capfd.readouterr()
    assert "zebra" not in heard.out + heard.err


def test_a_decoding_process_that_is_killed_is_replaced(home, visitor):
    assert "data:image/png" in visitor.drop("film.dcm", FILM)
    workers = [one for one in psutil.Process().children() if "explorer.intake.child" in " ".join(one.cmdline())]
    assert workers
    for one in workers:
        one.suspend()
        threading.Timer(0.3, one.kill).start()
    assert "more memory" in shown(visitor.drop("film.dcm", FILM))
    assert "data:image/png" in visitor.drop("film.dcm", FILM)


def leave_in_the_middle(home, times):
    """Ask, and hang up before the answer."""
    for _ in range(times):
        with home.client() as client:
            gone = Visitor(client)
            event = gone.event("query", "submit")
            data = gone.usual(event)
            data[event.inputs.index(gone.named["query"])] = "nodule"
            gone.join(event, data)
            with client.stream("GET", "gradio_api/queue/data", params={"session_hash": gone.session}) as stream:
                next(stream.iter_lines())


def still_answers(home, seconds):
    started = time.monotonic()
    with httpx.Client(base_url=home.address, timeout=seconds) as client:
        answer = Visitor(client).ask("pneumothorax")
    assert "Small apical pneumothorax" in shown(answer)
    assert time.monotonic() - started < seconds


def test_visitors_who_leave_keep_no_place_in_the_line(home):
    leave_in_the_middle(home, 5)
    still_answers(home, 30)


@pytest.mark.slow
def test_a_hundred_visitors_who_leave_keep_no_place_in_the_line(home):
    home.towers.texts.seconds = 0.05
    try:
        leave_in_the_middle(home, 100)
    finally:
        home.towers.texts.seconds = 0.0
    still_answers(home, 30)
