"""The indexes kept on this machine: of which corpus, in which state of it, by which encoder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from explorer.errors import StoreError, TowerError
from explorer.index import IndexKey, ReportIndex, key_of
from explorer.index_writing import Encode, Told
from explorer.store import ReportStore
from models.interfaces import Vectors


class Indexes:
    """A folder of indexes, one for each key, and the unfinished chunks of those in the making."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "indexes"
        self._unfinished = cache / "unfinished"

    def open(self, key: IndexKey) -> ReportIndex:
        """Return the index of a key. Raises as `ReportIndex.open` does."""
        return ReportIndex.open(self._folder / key.folder_name, key)

    def unfinished(self, key: IndexKey) -> Path:
        """Return where the finished chunks of an index in the making are kept."""
        return self._unfinished / key.folder_name

    def make(self, key: IndexKey, store: ReportStore, encode: Encode, told: Told, *, anew: bool) -> ReportIndex:
        """Encode a scope of a corpus; a build that was stopped goes on where it was.

        anew: encode every text. Else a text that an earlier state of the corpus has keeps its vector. When it is
        done, the indexes of earlier states are removed.
        """
        others = self._other_states(key)
        index = ReportIndex.build(
            self._folder / key.folder_name,
            key,
            store.passages(key.scope),
            store.passage_count(key.scope),
            encode,
            told,
            resume=self.unfinished(key),
            earlier=None if anew else _first(others),
        )
        _remove([path for path, _ in others])
        _remove(list(self._unfinished.glob(f"{key.readable}-*")))
        return index

    def follow(self, store: ReportStore) -> None:
        """Bring every index of a corpus from which studies were removed to its new state. No tower is needed."""
        _remove(list(self._unfinished.glob(f"{store.info.name}-*")))
        for path, key in self.of(store.info.name).items():
            if key.corpus_sha256 == store.info.sha256:
                continue
            with suppress(TowerError):  # an index that cannot tell its texts apart is made again when it is asked for
                self.make(replace(key, corpus_sha256=store.info.sha256), store, _nothing_to_encode, _untold, anew=False)
            _remove([path])

    def of(self, corpus: str) -> dict[Path, IndexKey]:
        """Return the folder and key of every whole index of a corpus, in any state of it."""
        found: dict[Path, IndexKey] = {}
        for path in sorted(self._folder.glob(f"{corpus}-*")):
            with suppress(StoreError):
                key = key_of(path)
                if key.corpus == corpus:
                    found[path] = key
        return found

    def drop(self, corpus: str) -> None:
        """Remove every index of a corpus, and what is unfinished."""
        _remove(list(self.of(corpus)))
        _remove(list(self._unfinished.glob(f"{corpus}-*")))

    def _other_states(self, key: IndexKey) -> list[tuple[Path, IndexKey]]:
        """Return the indexes that differ from a key in the state of the corpus alone."""
        every = self.of(key.corpus).items()
        return [(path, made) for path, made in every if made != key == replace(made, corpus_sha256=key.corpus_sha256)]


def _first(kept: Sequence[tuple[Path, IndexKey]]) -> ReportIndex | None:
    for path, key in kept:
        with suppress(StoreError):
            return ReportIndex.open(path, key)
    return None


def _remove(folders: Sequence[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _nothing_to_encode(texts: Sequence[str]) -> Vectors:
    raise TowerError("The earlier index lacks a text. Run `python -m explorer index build`.")


def _untold(done: int, total: int) -> None:
    pass
