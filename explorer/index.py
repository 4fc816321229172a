"""The vectors of one corpus, one scope and one encoder: search among them, and a file format that notices damage.

Vectors are kept as `.npy` and an exact FAISS index is rebuilt in memory: a damaged FAISS file loads without complaint
in half of the cases and its reader is a known memory-corruption surface, while `IndexFlatIP` over 60,000 reports is
filled in well under a second.

Above `explorer.coarse.EXACT_UP_TO` rows, candidates come from an inverted file that is mapped from disk, after its
sha256 was compared with the manifest; their scores are exact all the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer import coarse
from explorer.errors import BadQuery, Foreign
from explorer.files import REMEDY, Manifest, damaged, open_published, publish
from explorer.index_writing import (
    CELLS,
    CENTRES,
    COARSE,
    DIGESTS,
    ROWS,
    VECTORS,
    Encode,
    Passage,
    Told,
    digest_of,
    encoded_chunks,
    part,
    read_digests,
    unrelated_quantiles,
    write_rows,
)
from explorer.store import Neighbour, nearest
from explorer.types import Scope
from models.interfaces import Score, Space, Vectors

if TYPE_CHECKING:
    from faiss import IndexFlatIP


_WHAT = "vectors"
_SPARE = 16  # candidates fetched beyond k, so that one search settles nearly every query
_SAMPLED = 20_000  # rows that stand for all where only their mean or spread is asked for
_ROUGH = 4  # times as many candidates where rows are bytes, which order them only roughly


@dataclass(frozen=True)
class IndexKey:
    """Everything that decides a vector. Two indexes may be mixed only if their keys are equal."""

    corpus: str
    corpus_sha256: str
    scope: Scope
    encoder: str
    space: Space
    score: Score
    revision: str  # of the encoder: sha256 over base, adapter, tokenizer, pooling, precision …
    dim: int

    @property
    def readable(self) -> str:
        """Return the part of the folder's name that says what is in it."""
        return re.sub(r"[^A-Za-z0-9_-]+", "_", f"{self.corpus}-{self.scope}-{self.encoder}-{self.space}")[:80]

    @property
    def folder_name(self) -> str:
        """Return a name for the index's folder: readable, the same on every machine, different for every key."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{self.readable}-{digest[:16]}"


class ReportIndex:
    """The distinct texts of a corpus in one encoder's space. Never changed once made; may be used from many threads.

    key: what the vectors were made from and by.
    vectors: [n, dim] float32, one row per distinct text.
    studies: for each row the sorted ids of the studies that have this text.
    quantiles: 101 quantiles of the score between randomly drawn rows; empty if there are fewer than two rows.
    digests: [n, 16] uint8, what tells each row's text from others; [0, 16] in an index made before they were kept.
    """

    def __init__(
        self,
        key: IndexKey,
        vectors: Vectors,
        studies: Sequence[Sequence[str]],
        quantiles: NDArray[np.float64],
        digests: NDArray[np.uint8],
        parted: _Parted | None = None,
    ) -> None:
        self.key = key
        self.vectors = vectors
        self.studies = tuple(tuple(group) for group in studies)
        self.quantiles = quantiles
        self.digests = digests
        self._parted = parted

    @property
    def exact(self) -> bool:
        """Whether every row is looked at for a query; else nearly all of the nearest are found, see `make bench`."""
        return self._parted is None

    @classmethod
    def build(
        cls,
        folder: Path,
        key: IndexKey,
        passages: Iterable[Passage],
        total: int,
        encode: Encode,
        progress: Told,
        *,
        resume: Path | None = None,
        earlier: ReportIndex | None = None,
    ) -> ReportIndex:
        """Encode each passage once, write all to `folder`, replacing what was there in one step, and open it.

        passages, total: as `ReportStore.passages` and `passage_count` return them. encode: texts → [n, key.dim]
        float32. resume: a folder that keeps finished chunks, so that a stopped build goes on where it was; the caller
        removes it afterwards. earlier: vectors of the same encoder from another state of the corpus; a text it has is
        not encoded again.

        Raises TowerError if the encoder returns another shape, or numbers that are not finite, StoreError if the
        folder cannot be written. What was there before then stays.
        """
        about: dict[str, object] = {"key": asdict(key), "rows": total, "exact": total <= coarse.EXACT_UP_TO}

        def write(generation: Path) -> None:
            chunks = encoded_chunks(key, passages, encode, resume, earlier)
            write_rows(generation, key, total, chunks, progress)
            if not about["exact"]:
                about["look"] = asdict(part(generation, earlier, resume))
            about["quantiles"] = unrelated_quantiles(generation / VECTORS, total).tolist()

        publish(folder, _WHAT, about, write)
        return cls.open(folder, key)

    @classmethod
    def open(cls, folder: Path, key: IndexKey) -> ReportIndex:
        """Open what `save` wrote, if it was made for exactly this key.

        Raises NotPrepared, Damaged, or Foreign (another corpus, scope, encoder or revision made these vectors).
        """
        return open_published(folder, _WHAT, lambda generation, about: cls._load(generation, about, key))

    @classmethod
    def _load(cls, generation: Path, about: Manifest, key: IndexKey) -> ReportIndex:
        if about["key"] != asdict(key):
            raise _foreign(about["key"], key)
        try:
            vectors = np.load(generation / VECTORS, mmap_mode="r", allow_pickle=False)
            studies = json.loads((generation / ROWS).read_text(encoding="ascii"))
            digests = read_digests(generation / DIGESTS)
        except ValueError as error:
            raise damaged(_WHAT) from error
        right = vectors.dtype == np.float32 and vectors.shape == (about["rows"], key.dim) == (len(studies), key.dim)
        if not right or not _all_finite(generation / VECTORS, vectors):
            raise damaged(_WHAT)
        cells = about.get("look", {}).get("cells", coarse.BY_DEFAULT)
        parted = None if about.get("exact", True) else _Parted.open(generation, vectors, cells)
        return cls(key, vectors, studies, np.array(about["quantiles"], np.float64), digests, parted)

    def search(self, vectors: Vectors, k: int, allowed: frozenset[str] | None) -> list[list[Neighbour]]:
        """Return for each query the k nearest distinct texts, best first, ties by id; fewer if there are fewer.

        vectors: [q, dim]. Scores are inner products, computed in float64. Only studies in `allowed` answer (None:
        all); a text is represented by the first of its studies that may. Raises Foreign if the vectors have another
        dimension, BadQuery if they are not finite.
        """
        checked_query(self.key, vectors)
        rows = None if allowed is None else self._rows_with(allowed)
        return [self._nearest(query, k, rows, allowed) for query in vectors]

    def closer_than(self, score: float) -> float | None:
        """Return the share, 0–1, of unrelated pairs of texts this score is above; None if there is no pair.

        In steps of one per cent, rounded down.
        """
        if not len(self.quantiles):
            return None
        return max(0, int(np.searchsorted(self.quantiles, score, side="left")) - 1) / 100

    def vector_of(self, study: str) -> Vectors:
        """Return the vector [1, dim] of a study's text. Raises BadQuery if it has none in this scope."""
        if study not in self._row_of:
            raise BadQuery(f"This study has no {self.key.scope} text to compare. Choose another section.")
        return np.array(self.vectors[[self._row_of[study]]], np.float32)

    def rows_of(self, texts: Sequence[str]) -> dict[int, int]:
        """Return for each text that is in here, by its place in `texts`, its row."""
        known = ((place, self._row_of_text.get(digest_of(text))) for place, text in enumerate(texts))
        return {place: row for place, row in known if row is not None}

    def parting(self, digests: NDArray[np.uint8]) -> coarse.Parting | None:
        """Return the cells of this index for the texts of another, -1 where a text is new; None if this one is exact.

        digests: [n, 16], of the other index.
        """
        if self._parted is None:
            return None
        rows = np.array([self._row_of_text.get(digest.tobytes(), -1) for digest in digests], np.int64)
        cells = np.where(rows < 0, -1, self._parted.parting.cell_of[rows])
        return coarse.Parting(self._parted.parting.centres, cells.astype(np.int32))

    def _nearest(
        self, query: Vectors, k: int, rows: NDArray[np.int64] | None, allowed: frozenset[str] | None
    ) -> list[Neighbour]:
        found, scores = self._candidates(query, k, rows)
        groups = (self._allowed_of(int(row), allowed) for row in found)
        return nearest(zip(scores.tolist(), groups, strict=True), k)

    def _candidates(
        self, query: Vectors, k: int, rows: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return rows [c] and scores [c] that hold the k best, and every row that ties with the k-th.

        FAISS scores in float32 and breaks ties as it likes. So its answer is scored again in float64, and asked for
        more until the last one lies below the k-th by more than float32 can err.
        """
        available = len(self.vectors) if rows is None else len(rows)
        if self._parted is not None and k > 0:
            found = self._parted.index.candidates(query, _ROUGH * (k + _SPARE), rows)
            return found, _products(self._parted.read(found), query)
        count = min(k + _SPARE, available) if k > 0 else 0
        slack = np.finfo(np.float32).eps * self.key.dim * self._longest * float(np.linalg.norm(query))
        while count:
            rough, found = self._search_flat(query, count, rows)
            scores = _products(self.vectors[found], query)
            if count == available or rough[-1] + slack < np.sort(scores)[-k]:
                return found, scores
            count = min(2 * count, available)
        return np.empty(0, np.int64), np.empty(0, np.float64)

    def _search_flat(
        self, query: Vectors, count: int, rows: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        import faiss

        chosen = faiss.SearchParameters()
        selector = None if rows is None else faiss.IDSelectorBatch(rows)
        chosen.sel = selector  # does not own it: the name must live as long as the search
        rough, found = self._flat.search(np.ascontiguousarray(query[None], np.float32), count, params=chosen)
        return rough[0], found[0]

    @property
    def sample(self) -> Vectors:
        """[≤ 20,000, dim], rows from all over the corpus; all of them where there are no more."""
        return self.vectors[:: -(-len(self.vectors) // _SAMPLED) or 1]

    @cached_property
    def centre(self) -> Vectors:
        """[dim], the mean vector of the texts: what they have in common."""
        mean: Vectors = self.sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean

    @cached_property
    def _flat(self) -> IndexFlatIP:
        import faiss

        flat = faiss.IndexFlatIP(self.key.dim)
        flat.add(np.ascontiguousarray(self.vectors, np.float32))
        return flat

    @cached_property
    def _longest(self) -> float:
        return float(np.sqrt(np.einsum("nd,nd->n", self.vectors, self.vectors).max(initial=0.0)))

    @cached_property
    def _row_of_text(self) -> dict[bytes, int]:
        return {digest.tobytes(): row for row, digest in enumerate(self.digests)}

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {study: row for row, group in enumerate(self.studies) for study in group}

    def _rows_with(self, allowed: frozenset[str]) -> NDArray[np.int64]:
        return np.array(sorted({self._row_of[study] for study in allowed & self._row_of.keys()}), np.int64)

    def _allowed_of(self, row: int, allowed: frozenset[str] | None) -> list[str]:
        return [study for study in self.studies[row] if allowed is None or study in allowed]


def checked_query(key: IndexKey, vectors: Vectors) -> None:
    """Raise Foreign for queries [q, d] of another dimension than the key's, BadQuery where numbers are not finite."""
    if vectors.ndim != 2 or vectors.shape[1] != key.dim:
        raise Foreign(
            f"The query has another dimension than the {key.dim} of encoder {key.encoder!r}. "
            "Search with the encoder that made these vectors."
        )
    if not np.isfinite(vectors).all():
        raise BadQuery("The encoder found no usable vector for this query. Change the query, or the encoder.")


@dataclass(frozen=True)
class _Parted:
    """What an index of very many rows has beside its vectors."""

    parting: coarse.Parting
    index: coarse.CoarseIndex
    rows: coarse.VectorFile

    def read(self, rows: NDArray[np.int64]) -> Vectors:
        """Return the vectors [r, dim] of rows. Raises Damaged where the file broke since it was opened."""
        try:
            return self.rows.read(rows)
        except OSError as error:
            raise damaged(_WHAT) from error

    @classmethod
    def open(cls, generation: Path, vectors: Vectors, looked_into: int) -> _Parted:
        """Open what `part` wrote. `open_published` has compared every file here with the manifest."""
        try:
            centres = np.load(generation / CENTRES, allow_pickle=False)
            cells = np.load(generation / CELLS, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            raise damaged(_WHAT) from error
        if len(cells) != len(vectors):
            raise damaged(_WHAT)
        rows = coarse.VectorFile(generation / VECTORS, vectors)
        return cls(coarse.Parting(centres, cells), coarse.CoarseIndex.open(generation / COARSE, looked_into), rows)


def _products(rows: Vectors, query: Vectors) -> NDArray[np.float64]:
    """Return the inner product [r] of each row with a query [d], in float64."""
    products: NDArray[np.float64] = (rows.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    return products


def key_of(folder: Path) -> IndexKey:
    """Return the key of a whole index. Raises NotPrepared, Damaged, Foreign."""
    return open_published(folder, _WHAT, lambda _, about: IndexKey(**about["key"]))


def _all_finite(path: Path, vectors: Vectors) -> bool:
    """Look at the file, not at its mapping: what was mapped would count as memory until it is needed elsewhere."""
    with path.open("rb") as file:
        file.seek(path.stat().st_size - vectors.nbytes)
        while len(block := np.fromfile(file, np.float32, 2**20)):
            if not np.isfinite(block).all():
                return False
    return True


def _foreign(made: Manifest, wanted: IndexKey) -> Foreign:
    return Foreign(
        f"These vectors were made by encoder {made['encoder']!r}, revision {str(made['revision'])[:8]}, from the "
        f"{made['scope']} texts of {made['corpus']!r}; asked for is {wanted.encoder!r}, revision "
        f"{wanted.revision[:8]}, {wanted.scope} texts of {wanted.corpus!r}. {REMEDY}"
    )
