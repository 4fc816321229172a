"""Answers that were just given, kept in memory for a while: asked again, they cost nothing.

What a person typed or dropped is patient data. So neither is kept here: an answer is found by a hash of the query
under a key that exists in this process only, and what is kept of it are the corpus's own reports.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from explorer.types import Query, SearchResult

SIZE = 64  # answers
SECONDS = 600.0  # as long as a page's session is kept


class Answers:
    """The last answers by what was asked. Safe to call from many threads.

    size: how many are kept. seconds: how long each is kept. clock: seconds that only grow.
    """

    def __init__(self, size: int = SIZE, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._seconds = seconds
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, tuple[float, SearchResult]] = OrderedDict()
        self._turn = threading.Lock()

    def get(self, query: Query, options: object) -> SearchResult | None:
        """Return the answer to this query under these options, with the time it took now; None if it is not kept."""
        begun = time.perf_counter()
        key = self._key(query, options)
        with self._turn:
            self._forget_old()
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            result = self._kept[key][1]
        return replace(result, query=query, seconds=round(time.perf_counter() - begun, 4))

    def put(self, query: Query, options: object, result: SearchResult) -> None:
        """Keep an answer without its query, in place of the one that was not asked for the longest."""
        key = self._key(query, options)
        with self._turn:
            self._forget_old()
            self._kept[key] = (self._clock(), replace(result, query=Query()))
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._turn:
            self._kept.clear()

    def _forget_old(self) -> None:
        for key in [key for key, (since, _) in self._kept.items() if self._clock() - since > self._seconds]:
            del self._kept[key]

    def _key(self, query: Query, options: object) -> bytes:
        """Return a hash of everything that decides an answer; `options` has a repr that says all of it."""
        film = query.image
        digest = hashlib.blake2b(key=self._secret, digest_size=32)
        pixels = film and (film.pixels.shape, film.digest)
        digest.update(repr((query.text, query.weight, query.study, pixels, options)).encode())
        return digest.digest()
