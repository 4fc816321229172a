from __future__ import annotations

import threading
import time
import traceback

import pytest

from explorer.errors import BadQuery
from explorer.ui import work as work_module
from explorer.ui.work import BEAT, Failed, Progress, Stopped, waited, watch


def run(steps):
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as done:
            return seen, done.value


def test_steps_come_in_order_and_then_the_result():
    def work(progress: Progress) -> int:
        progress("half", 0.5)
        progress("all", 1.0)
        return 42

    assert run(watch(work, lambda message, share: (message, share))) == ([("half", 0.5), ("all", 1.0)], 42)


def test_a_step_is_shown_while_the_work_goes_on():
    shown = threading.Event()

    def work(progress: Progress) -> bool:
        progress("waiting to be shown", 0.0)
        return shown.wait(5)

    steps = watch(work, lambda message, share: message)
    assert next(steps) == "waiting to be shown"
    shown.set()
    assert run(steps) == ([], True)


def test_an_error_of_ours_comes_out_after_the_steps_before_it():
    def work(progress: Progress) -> None:
        progress("half", 0.5)
        raise BadQuery("Shorten it.")

    steps = watch(work, lambda message, share: message)
    assert next(steps) == "half"
    with pytest.raises(BadQuery, match="Shorten it"):
        next(steps)


class OutOfMemoryError(RuntimeError):
    """What torch raises; its class is named like this."""


class PanicException(BaseException):
    """What codecs and tokenizers written in Rust raise."""


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "ran out of memory"),
        (OutOfMemoryError("tried to allocate 20 GiB for DOE^JANE"), "ran out of memory"),
        (ValueError("cannot encode 'DOE^JANE'"), r"\(ValueError\)"),
        (PanicException("DOE^JANE"), r"\(PanicException\)"),
        (SystemExit("DOE^JANE"), r"\(SystemExit\)"),
    ],
)
def test_any_other_error_is_told_by_its_kind_and_quotes_nobody(error, says):
    def work(progress: Progress) -> None:
        raise error

    with pytest.raises(Failed, match=says) as failed:
        run(watch(work, lambda message, share: message))
    assert "DOE" not in "".join(traceback.format_exception(failed.value))


def test_what_hangs_is_given_up_and_the_end_of_the_process_does_not_wait_for_it(monkeypatch):
    monkeypatch.setattr(work_module, "PATIENCE", 0.1)
    monkeypatch.setattr(work_module, "BEAT", 0.02)
    hung = threading.Event()
    with pytest.raises(Failed, match="given up"):
        run(watch(lambda progress: hung.wait(30), lambda message, share: message))
    assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    hung.set()


def test_what_announced_itself_may_take_longer(monkeypatch):
    monkeypatch.setattr(work_module, "PATIENCE", 0.05)
    monkeypatch.setattr(work_module, "BEAT", 0.02)

    def work(progress: Progress) -> int:
        progress("encoding", 0.0)
        time.sleep(0.3)
        return 42

    assert run(watch(work, lambda message, share: message))[1] == 42


def test_work_nobody_waits_for_ends_at_its_next_step():
    told, ended = threading.Event(), threading.Event()

    def work(progress: Progress) -> None:
        progress("first", 0.0)
        told.wait(5)
        try:
            progress("second", 0.5)
        except Stopped:
            ended.set()
            raise

    steps = watch(work, lambda message, share: message)
    assert next(steps) == "first"
    steps.close()  # returns while the work still goes on
    assert not ended.is_set()
    told.set()
    assert ended.wait(5)


def test_a_long_step_is_shown_again_so_that_it_can_be_stopped():
    go_on = threading.Event()

    def work(progress: Progress) -> bool:
        progress("loading", 0.0)
        return go_on.wait(20 * BEAT)

    steps = watch(work, lambda message, share: message)
    assert [next(steps), next(steps)] == ["loading", "loading"]
    go_on.set()
    assert run(steps)[1] is True


def test_work_nobody_watches_gives_its_result_or_its_error():
    assert waited(lambda: 42) == 42
    with pytest.raises(Failed, match="ran out of memory"):
        waited(lambda: bytes(2**62))
