"""Long work that says how far it is and can be stopped, as a generator the page can show step by step.

Whatever goes wrong in it ends as one of our errors: an exception of a library can quote the text it failed on, and
Gradio would print it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

from explorer.errors import CxrError

Result = TypeVar("Result")
Shown = TypeVar("Shown")
Progress = Callable[[str, float], None]  # message, share done 0 to 1
Steps = SimpleQueue[tuple[str, float] | None]
BEAT = 0.5  # seconds: Gradio can close a generator only while it yields, so the last step is shown again this often
PATIENCE = 60.0  # seconds of silence for what has not announced itself
LONG_PATIENCE = 900.0  # after a step: loading a large encoder, or encoding reports with it, has long ones

OUT_OF_MEMORY = "The machine ran out of memory for this. Close other programs, or choose a smaller encoder."
OVERDUE = "The program did not answer in time and was given up. Try again, or choose another encoder."


class Stopped(CxrError):
    """Nobody waits for this work any more."""


class Failed(CxrError):
    """Something failed that should not have; the message names its kind and nothing it said."""


def watch(work: Callable[[Progress], Result], show: Callable[[str, float], Shown]) -> Generator[Shown, None, Result]:
    """Run `work` in a thread of its own, yield each of its steps as `show` makes it, and return its result.

    Once the generator is closed, or nothing was heard for so long that it must hang, the work is told by `Stopped`,
    raised from its next call of the progress; nothing waits for it, not even the end of the process.

    Raises the `CxrError` that `work` raises, after the steps before it; `Failed` for any other exception, and where
    it is given up.
    """
    steps: Steps = SimpleQueue()
    closed = threading.Event()
    result: Future[Result] = Future()

    def tell(message: str, share: float) -> None:
        if closed.is_set():
            raise Stopped("Stopped.")
        steps.put((message, share))

    def run() -> None:
        try:
            result.set_result(work(tell))
        except CxrError as error:
            result.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - libraries in Rust panic outside Exception
            result.set_exception(_failed(error))
        steps.put(None)

    threading.Thread(target=run, daemon=True).start()
    try:
        yield from _shown(steps, show)
    finally:
        closed.set()
    return result.result()


def waited(work: Callable[[], Result]) -> Result:
    """Return the result of work that nobody watches; ends and raises as `watch` does."""

    def announced(tell: Progress) -> Result:
        tell("", 0.0)  # it may have vectors to make
        return work()

    steps = watch(announced, lambda *_: None)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Result = done.value
            return result


def _failed(error: BaseException) -> Failed:
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind == "OutOfMemoryError":  # torch's own is no MemoryError
        return Failed(OUT_OF_MEMORY)
    return Failed(f"Something failed inside the program ({kind}). Try again, or choose another encoder.")


def _shown(steps: Steps, show: Callable[[str, float], Shown]) -> Generator[Shown]:
    """Yield every step until None comes; the last one again while nothing comes. Raises Failed if that takes long."""
    last: tuple[str, float] | None = None
    heard = time.monotonic()
    while True:
        try:
            step = steps.get(timeout=BEAT)
        except Empty:
            if time.monotonic() - heard > (PATIENCE if last is None else LONG_PATIENCE):
                raise Failed(OVERDUE) from None
            if last is not None:
                yield show(*last)
            continue
        if step is None:
            return
        last, heard = step, time.monotonic()
        yield show(*step)
