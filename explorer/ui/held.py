"""What a browser hands over in pieces, or one page to another, until it is used: a question has 256 kB at most."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence

from explorer.errors import BadReview
from explorer.review.generated import MOST_BYTES

KEPT = 8  # things held at once; the oldest gives way


class Held:
    """Texts by a name nobody can guess. Threads may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, list[str]] = {}

    def keep(self, texts: Sequence[str]) -> str:
        """Hold texts, and return the name they are asked for by."""
        name = secrets.token_hex(16)
        with self._lock:
            self._texts[name] = list(texts)
            while len(self._texts) > KEPT:
                del self._texts[next(iter(self._texts))]
        return name

    def add(self, name: str, start: int, piece: str) -> str:
        """Add a piece to what is held under a name, "" to begin; return the name.

        start: characters handed over before; a piece that is here already is overlooked.

        Raises BadReview if it becomes too large, or is held no more; it is then dropped.
        """
        if not name:
            name = self.keep(())
        with self._lock:
            pieces = self._texts.get(name)
            if pieces is None or sum(map(len, pieces)) + len(piece) > MOST_BYTES:
                self._texts.pop(name, None)
                raise BadReview(
                    f"The file has more than {MOST_BYTES // 2**20} MB, or was sent too slowly. Import fewer."
                )
            if start == sum(map(len, pieces)):
                pieces.append(piece)
        return name

    def texts(self, name: object) -> tuple[str, ...]:
        """Return what is held under a name, () for nothing. Raises BadReview for a name nothing is held under."""
        if not name:
            return ()
        with self._lock:
            if name not in self._texts:
                raise BadReview("What was handed over is not held any more. Hand it over again.")
            return tuple(self._texts[str(name)])
