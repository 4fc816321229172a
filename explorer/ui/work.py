"""Long work that says how far it is, turned into a generator the page can show step by step."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

Result = TypeVar("Result")
Shown = TypeVar("Shown")
Progress = Callable[[str, float], None]  # message, share done 0 to 1


def watch(work: Callable[[Progress], Result], show: Callable[[str, float], Shown]) -> Generator[Shown, None, Result]:
    """Run `work` in a thread of its own, yield each of its steps as `show` makes it, and return its result.

    Raises what `work` raises, after the steps before it.
    """
    steps: SimpleQueue[tuple[str, float] | None] = SimpleQueue()
    with ThreadPoolExecutor(max_workers=1) as thread:
        result = thread.submit(work, lambda message, share: steps.put((message, share)))
        result.add_done_callback(lambda _: steps.put(None))
        while (step := steps.get()) is not None:
            yield show(*step)
    return result.result()
