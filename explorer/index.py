"""The vectors of one corpus, one scope and one encoder: exact search, and a file format that notices damage.

Vectors are kept as `.npy` and the FAISS index is rebuilt in memory: a damaged FAISS file loads without complaint in
half of the cases and its reader is a known memory-corruption surface, while `IndexFlatIP` over 60,000 reports is
filled in well under a second. They are made and written a chunk at a time: memory does not grow with the corpus.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from explorer.errors import BadQuery, Foreign, TowerError
from explorer.files import REMEDY, Manifest, damaged, open_published, publish, write_atomically
from explorer.store import Neighbour, nearest
from explorer.types import Scope
from models.interfaces import Score, Space, Vectors

if TYPE_CHECKING:
    from faiss import IndexFlatIP

Encode = Callable[[Sequence[str]], Vectors]
Told = Callable[[int, int], object]  # (texts done, texts in all)
Passage = tuple[
    str, Sequence[str]
]  # a distinct text as encoders see it, and the sorted ids of the studies that have it

_WHAT = "vectors"
_VECTORS, _ROWS, _DIGESTS = "vectors.npy", "rows.json", "texts.npy"
_DIGEST = 16  # bytes that tell a text from every other
_CHUNK = 256  # texts between two reports of progress; what is lost at most when a build is stopped
_PAIRS = 20_000  # random pairs behind the 101 quantiles; the 95th is then known to within 0.2 percentage points
_PAIRS_AT_ONCE = 250
_SPARE = 16  # candidates fetched beyond k, so that one search settles nearly every query


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
    ) -> None:
        self.key = key
        self.vectors = vectors
        self.studies = tuple(tuple(group) for group in studies)
        self.quantiles = quantiles
        self.digests = digests

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
        about: dict[str, object] = {"key": asdict(key), "rows": total}

        def write(generation: Path) -> None:
            chunks = _encoded_chunks(key, passages, encode, resume, earlier)
            _write(generation, key, total, chunks, progress)
            about["quantiles"] = _unrelated_quantiles(generation / _VECTORS, total).tolist()

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
            vectors = np.load(generation / _VECTORS, mmap_mode="r", allow_pickle=False)
            studies = json.loads((generation / _ROWS).read_text(encoding="ascii"))
            digests = _read_digests(generation / _DIGESTS)
        except ValueError as error:
            raise damaged(_WHAT) from error
        right = vectors.dtype == np.float32 and vectors.shape == (about["rows"], key.dim) == (len(studies), key.dim)
        if not right or not _all_finite(generation / _VECTORS, vectors):
            raise damaged(_WHAT)
        return cls(key, vectors, studies, np.array(about["quantiles"], np.float64), digests)

    def search(self, vectors: Vectors, k: int, allowed: frozenset[str] | None) -> list[list[Neighbour]]:
        """Return for each query the k nearest distinct texts, best first, ties by id; fewer if there are fewer.

        vectors: [q, dim]. Scores are inner products, computed in float64. Only studies in `allowed` answer (None:
        all); a text is represented by the first of its studies that may. Raises Foreign if the vectors have another
        dimension, BadQuery if they are not finite.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.key.dim:
            raise Foreign(
                f"The query has another dimension than the {self.key.dim} of encoder {self.key.encoder!r}. "
                "Search with the encoder that made these vectors."
            )
        if not np.isfinite(vectors).all():
            raise BadQuery("The encoder found no usable vector for this query. Change the query, or the encoder.")
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
        known = ((place, self._row_of_text.get(_digest(text))) for place, text in enumerate(texts))
        return {place: row for place, row in known if row is not None}

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
        count = min(k + _SPARE, available) if k > 0 else 0
        slack = np.finfo(np.float32).eps * self.key.dim * self._longest * float(np.linalg.norm(query))
        while count:
            rough, found = self._search_flat(query, count, rows)
            scores = (self.vectors[found].astype(np.float64) * query.astype(np.float64)).sum(axis=1)
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


def key_of(folder: Path) -> IndexKey:
    """Return the key of a whole index. Raises NotPrepared, Damaged, Foreign."""
    return open_published(folder, _WHAT, lambda _, about: IndexKey(**about["key"]))


def _encoded_chunks(
    key: IndexKey, passages: Iterable[Passage], encode: Encode, resume: Path | None, earlier: ReportIndex | None
) -> Iterator[tuple[list[Passage], Vectors]]:
    rest = iter(passages)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk, _vectors(key, [text for text, _ in chunk], encode, resume, earlier)


def _write(
    generation: Path, key: IndexKey, total: int, chunks: Iterator[tuple[list[Passage], Vectors]], progress: Told
) -> None:
    """Write vectors, digests and ids row by row, as they come."""
    with (
        (generation / _VECTORS).open("wb") as vectors,
        (generation / _DIGESTS).open("wb") as digests,
        (generation / _ROWS).open("w", encoding="ascii") as rows,
    ):
        _write_header(vectors, np.float32, (total, key.dim))
        _write_header(digests, np.uint8, (total, _DIGEST))
        done = 0
        for chunk, encoded in chunks:
            vectors.write(encoded.tobytes())
            digests.write(b"".join(_digest(text) for text, _ in chunk))
            rows.write(f"{',' if done else '['}{json.dumps([studies for _, studies in chunk])[1:-1]}\n")
            done += len(chunk)
            progress(done, total)
        rows.write("]" if done else "[]")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:_DIGEST]


def _vectors(
    key: IndexKey, texts: Sequence[str], encode: Encode, resume: Path | None, earlier: ReportIndex | None
) -> Vectors:
    """Return vectors [n, dim] of a chunk: what an earlier index has, and the rest encoded."""
    known = earlier.rows_of(texts) if earlier is not None else {}
    vectors = np.empty((len(texts), key.dim), np.float32)
    if earlier is not None and known:
        vectors[list(known)] = earlier.vectors[list(known.values())]
    unknown = [place for place in range(len(texts)) if place not in known]
    if unknown:
        vectors[unknown] = _encoded(key, [texts[place] for place in unknown], encode, resume)
    return vectors


def _encoded(key: IndexKey, chunk: Sequence[str], encode: Encode, resume: Path | None) -> Vectors:
    """Encode one chunk, or take it from a build that was stopped."""
    if resume is None:
        return _checked(key, encode(chunk), len(chunk))
    named_by = json.dumps([key.folder_name, chunk]).encode()
    path = resume / f"{hashlib.sha256(named_by).hexdigest()}.chunk"
    kept = _kept(path, (len(chunk), key.dim))
    if kept is not None:
        return kept
    vectors = _checked(key, encode(chunk), len(chunk))
    body = vectors.tobytes()
    with suppress(OSError):  # a chunk that cannot be kept is only encoded again
        resume.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(hashlib.sha256(body).digest() + body))
    return vectors


def _kept(path: Path, shape: tuple[int, int]) -> Vectors | None:
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    seal, body = raw[:32], raw[32:]
    if hashlib.sha256(body).digest() != seal or len(body) != 4 * shape[0] * shape[1]:
        return None
    return np.frombuffer(body, np.float32).reshape(shape)


def _checked(key: IndexKey, vectors: Vectors, rows: int) -> Vectors:
    if vectors.shape != (rows, key.dim) or not np.isfinite(vectors).all():
        raise TowerError(
            f"Encoder {key.encoder!r} gave vectors that cannot be indexed: another shape than [{rows}, {key.dim}], "
            "or numbers that are not finite. Check it with `python -m explorer doctor`."
        )
    return np.ascontiguousarray(vectors, np.float32)


def _write_header(file: BinaryIO, kind: type[np.generic], shape: tuple[int, int]) -> None:
    """Begin a .npy file whose rows are written one chunk after another."""
    described = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, described)


def _read_digests(path: Path) -> NDArray[np.uint8]:
    if not path.is_file():
        return np.empty((0, _DIGEST), np.uint8)
    digests: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    return digests


def _all_finite(path: Path, vectors: Vectors) -> bool:
    """Look at the file, not at its mapping: what was mapped would count as memory until it is needed elsewhere."""
    with path.open("rb") as file:
        file.seek(path.stat().st_size - vectors.nbytes)
        while len(block := np.fromfile(file, np.float32, 2**20)):
            if not np.isfinite(block).all():
                return False
    return True


def _unrelated_quantiles(path: Path, rows: int) -> NDArray[np.float64]:
    """Return 101 quantiles of the score between distinct rows drawn at random, the same ones every time."""
    if rows < 2:
        return np.empty(0)
    draw = np.random.default_rng(0)
    first = draw.integers(rows, size=_PAIRS)
    second = (first + draw.integers(1, rows, size=_PAIRS)) % rows
    scores = []
    for start in range(0, _PAIRS, _PAIRS_AT_ONCE):  # mapped anew each time: pages that were read are let go
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        pairs = slice(start, start + _PAIRS_AT_ONCE)
        scores.append(np.einsum("nd,nd->n", vectors[first[pairs]], vectors[second[pairs]]))
    return np.quantile(np.concatenate(scores).astype(np.float64), np.linspace(0, 1, 101))


def _foreign(made: Manifest, wanted: IndexKey) -> Foreign:
    return Foreign(
        f"These vectors were made by encoder {made['encoder']!r}, revision {str(made['revision'])[:8]}, from the "
        f"{made['scope']} texts of {made['corpus']!r}; asked for is {wanted.encoder!r}, revision "
        f"{wanted.revision[:8]}, {wanted.scope} texts of {wanted.corpus!r}. {REMEDY}"
    )
