"""Long work that says how far it is and can be stopped, as a generator the page can show step by step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TypeVar

from explorer.errors import CxrError

Result = TypeVar("Result")
Shown = TypeVar("Shown")
Progress = Callable[[str, float], None]  # message, share done 0 to 1
BEAT = 0.5  # seconds: Gradio can close a generator only while it yields, so the last step is shown again this often


class Stopped(CxrError):
    """Nobody waits for this work any more."""


def watch(work: Callable[[Progress], Result], show: Callable[[str, float], Shown]) -> Generator[Shown, None, Result]:
    """Run `work` in a thread of its own, yield each of its steps as `show` makes it, and return its result.

    Once the generator is closed the work is told by `Stopped`, raised from its next call of the progress; nothing
    waits for it. Raises what `work` raises, after the steps before it.
    """
    steps: SimpleQueue[tuple[str, float] | None] = SimpleQueue()
    closed = threading.Event()

    def tell(message: str, share: float) -> None:
        if closed.is_set():
            raise Stopped("Stopped.")
        steps.put((message, share))

    thread = ThreadPoolExecutor(max_workers=1)
    result = thread.submit(work, tell)
    result.add_done_callback(lambda _: steps.put(None))
    try:
        yield from _shown(steps, show)
    finally:
        closed.set()
        thread.shutdown(wait=False)
    return result.result()


def _shown(steps: SimpleQueue[tuple[str, float] | None], show: Callable[[str, float], Shown]) -> Generator[Shown]:
    """Yield every step until None comes; the last one again while nothing comes."""
    step = steps.get()
    while step is not None:
        yield show(*step)
        step = _next(steps, step)


def _next(steps: SimpleQueue[tuple[str, float] | None], last: tuple[str, float]) -> tuple[str, float] | None:
    try:
        return steps.get(timeout=BEAT)
    except Empty:
        return last
