from __future__ import annotations

import threading

import pytest

from explorer.ui.work import BEAT, Progress, Stopped, watch


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


def test_an_error_comes_out_after_the_steps_before_it():
    def work(progress: Progress) -> None:
        progress("half", 0.5)
        raise MemoryError

    steps = watch(work, lambda message, share: message)
    assert next(steps) == "half"
    with pytest.raises(MemoryError):
        next(steps)


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
