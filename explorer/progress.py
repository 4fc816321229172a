"""How far long work is, for somebody who watches a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

Progress = Callable[[str, float], object]  # what is being done, and the share done, 0–1


def silent(what: str, share: float) -> None:
    """Tell nobody."""


def terminal_progress(stream: TextIO) -> Progress:
    """Return a progress callback that redraws one line of a terminal; silent where nobody watches."""

    def show(what: str, share: float) -> None:
        if not stream.isatty():
            return
        filled = int(share * 30)
        ending = "\n" if share >= 1 else ""
        stream.write(f"\r{what:<48} [{'█' * filled}{'·' * (30 - filled)}] {share:4.0%}{ending}")
        stream.flush()

    return show
