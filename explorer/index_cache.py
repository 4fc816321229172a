"""The vectors in use: each opened or made at most once, by whoever asks first, while the others wait and are told."""

from __future__ import annotations

import threading
from pathlib import Path

from explorer.errors import NotPrepared
from explorer.index import IndexKey
from explorer.indexes import Indexes
from explorer.progress import Progress
from explorer.store import ReportStore
from explorer.types import Scope
from explorer.vector_index import VectorIndex
from models.interfaces import SECTION_PROMPTS, EncoderInfo, TextEncoder


class IndexCache:
    """Indexes by corpus, scope and encoder. Safe to call from many threads."""

    def __init__(self, cache: Path, cluster: str = "") -> None:
        """Keep vectors in a folder, or in the Milvus cluster at an address."""
        self._kept = Indexes(cache)
        self._cluster = cluster
        self._open: dict[str, VectorIndex] = {}
        self._building = threading.Lock()  # one heavy job at a time
        self._making = ("", 0.0)  # what holds the lock, for those who wait

    def of(self, store: ReportStore, tower: TextEncoder, scope: Scope, progress: Progress) -> VectorIndex:
        """Return the vectors of a scope: from memory, from disk, or made now. Raises TowerError, StoreError."""
        key = key_for(store, tower.info, scope)
        if key.folder_name in self._open:
            return self._open[key.folder_name]
        while not self._building.acquire(timeout=0.5):
            progress(*self._making)
        try:
            if key.folder_name not in self._open:
                self._open[key.folder_name] = self._open_or_build(store, tower, key, progress)
            return self._open[key.folder_name]
        finally:
            self._building.release()

    def rebuild(self, store: ReportStore, tower: TextEncoder, scope: Scope, progress: Progress) -> None:
        """Make the vectors of a scope anew, whatever is on disk."""
        key = key_for(store, tower.info, scope)
        self._open[key.folder_name] = self._build(store, tower, key, progress, anew=True)

    def _open_or_build(self, store: ReportStore, tower: TextEncoder, key: IndexKey, progress: Progress) -> VectorIndex:
        if self._cluster:
            return self._build(store, tower, key, progress, anew=False)
        try:
            return self._kept.open(key)
        except NotPrepared:
            return self._build(store, tower, key, progress, anew=False)

    def _build(
        self, store: ReportStore, tower: TextEncoder, key: IndexKey, progress: Progress, *, anew: bool
    ) -> VectorIndex:
        prompt = SECTION_PROMPTS[key.scope] if key.space == "image" else ""
        what = f"Encoding {key.scope}s with {key.encoder}" + (" for image search" if key.space == "image" else "")

        def tell(done: int, total: int) -> None:
            self._making = (what, done / total)
            progress(*self._making)

        if self._cluster:
            from explorer.cluster import filled

            return filled(self._cluster, key, store, lambda chunk: tower.encode(chunk, prompt), tell, anew=anew)
        return self._kept.make(key, store, lambda chunk: tower.encode(chunk, prompt), tell, anew=anew)


def key_for(store: ReportStore, info: EncoderInfo, scope: Scope) -> IndexKey:
    """Return the key of the vectors that a tower makes of a scope of a corpus."""
    return IndexKey(
        corpus=store.info.name,
        corpus_sha256=store.info.sha256,
        scope=scope,
        encoder=info.name,
        space=info.space,
        score=info.score,
        revision=info.revision,
        dim=info.dim,
    )
