"""Near rows among very many: an inverted file whose rows are bytes, mapped from disk.

Rows are parted among cells, each around a centre (k-means on a sample); a query looks into the cells nearest to it
only (Jégou et al. 2011, https://doi.org/10.1109/TPAMI.2010.57). Inside, each number of a row is one byte. What is found
there is a choice of candidates: whoever asked scores them again from the vectors themselves.

The file is FAISS's own. Its reader trusts what it reads, so the file may be opened only once its sha256 was compared
with the manifest it lies beside.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.interfaces import Vectors

if TYPE_CHECKING:
    from faiss import IndexFlatL2

Rows = NDArray[np.int64]
Cells = NDArray[np.int32]

EXACT_UP_TO = 200_000  # rows: below, looking at every row takes less than ten milliseconds
CENTRES_PER_ROOT = 2.0  # cells for n rows: so many times √n
SAMPLES_PER_CENTRE = 20  # rows that k-means sees
ROUNDS = 6  # of k-means
LOOKS = (10, 20, 40, 80, 120, 160, 240, 320, 450, 640)  # cells that a query may look into; measured for each index
BY_DEFAULT = 40  # for an index that was made before it was measured
WANTED = 0.985  # share of the ten nearest that a query finds
ASKED, NEAREST = 64, 10  # rows asked for their nearest to measure it
CANDIDATES = 104  # for the ten nearest, as `explorer.index` asks for them
CHUNK = 20_000  # rows held at once while building
SEED = 4096


@dataclass(frozen=True)
class Parting:
    """The cells of an index, and which row lies in which: what an index of a later state of the corpus starts from."""

    centres: Vectors  # [c, d]
    cell_of: Cells  # [n]


class VectorFile:
    """Rows of a file of vectors, read one by one.

    Mapping the file into memory would do the same, but counts whole neighbourhoods of every row as memory of ours.
    """

    def __init__(self, path: Path, vectors: Vectors) -> None:
        """Open the .npy file that holds `vectors` [n, d] float32."""
        self._file = path.open("rb", buffering=0)
        self._begins = path.stat().st_size - vectors.nbytes
        self._dim = vectors.shape[1]

    def read(self, rows: Rows) -> Vectors:
        """Return these rows [r, d]. Raises OSError. May be used from many threads."""
        vectors = np.empty((len(rows), self._dim), np.float32)
        length = vectors.itemsize * self._dim
        for place, row in enumerate(rows.tolist()):
            if os.preadv(self._file.fileno(), [vectors[place].data], self._begins + row * length) < length:
                raise OSError("the file of vectors ends early")
        return vectors


def cells_for(rows: int) -> int:
    """Return into how many cells so many rows are parted."""
    return max(1, round(CENTRES_PER_ROOT * math.sqrt(rows)))


def fit_centres(vectors: Vectors, cells: int) -> Vectors:
    """Return centres [cells, d] of a sample of vectors [n, d] by k-means; the same ones every time."""
    import faiss

    count = min(len(vectors), cells * SAMPLES_PER_CENTRE)
    picked = np.sort(np.random.default_rng(SEED).choice(len(vectors), count, replace=False))
    kmeans = faiss.Kmeans(
        vectors.shape[1], cells, niter=ROUNDS, seed=SEED, min_points_per_centroid=1, spherical=False, verbose=False
    )
    kmeans.train(np.ascontiguousarray(vectors[picked], np.float32))
    centres: Vectors = np.asarray(kmeans.centroids, np.float32)
    return centres


def assign(vectors: Vectors, centres: Vectors, known: Cells, kept: Path | None) -> Cells:
    """Return the cell [n] of each row of vectors [n, d], a chunk of rows in memory at once.

    Args:
        vectors: may be mapped from disk.
        centres: [c, d].
        known: [n] cell of each row that an earlier index has, -1 for those that are new.
        kept: a folder where finished chunks are kept, so that a build that was stopped goes on where it was.
    """
    import faiss

    quantizer = faiss.IndexFlatL2(centres.shape[1])
    quantizer.add(centres)
    cell_of = known.astype(np.int32).copy()
    named = hashlib.sha256(centres.tobytes()).hexdigest()[:16]
    for rows in _chunks(len(vectors)):
        new = rows.start + np.flatnonzero(cell_of[rows] < 0)
        if len(new):
            cell_of[new] = _kept_or(
                kept and kept / f"{named}-{rows.start}.npy", len(new), partial(_nearest, quantizer, vectors[new])
            )
    return cell_of


def write_index(path: Path, vectors: Vectors, parting: Parting) -> None:
    """Write the inverted file of vectors [n, d]; row numbers are its ids."""
    import faiss

    dim = vectors.shape[1]
    centres = faiss.IndexFlatL2(dim)
    centres.add(parting.centres)
    index = faiss.IndexIVFScalarQuantizer(
        centres, dim, len(parting.centres), faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT, False
    )
    sample = np.random.default_rng(SEED).choice(len(vectors), min(len(vectors), 20_000), replace=False)
    index.train(np.ascontiguousarray(vectors[np.sort(sample)], np.float32))
    for rows in _chunks(len(vectors)):
        chunk = np.ascontiguousarray(vectors[rows], np.float32)
        ids = np.arange(rows.start, rows.stop, dtype=np.int64)
        cells = parting.cell_of[rows].astype(np.int64)
        index.add_core(len(chunk), *(faiss.swig_ptr(array) for array in (chunk, ids, cells)))
    faiss.write_index(index, str(path))


@dataclass(frozen=True)
class Look:
    """How many cells a query of an index looks into, and what it finds so."""

    cells: int
    recall: float  # of the ten nearest, for rows of the index itself, which are not counted among their own nearest


def measured_look(path: Path, vectors: Vectors) -> Look:
    """Return the fewest cells of `LOOKS` that find what is `WANTED` among vectors [n, d]; the most where none do.

    path: the inverted file just written.
    """
    asked = np.sort(np.random.default_rng(SEED).choice(len(vectors), min(ASKED, len(vectors)), replace=False))
    truth = _nearest_rows(vectors, asked)
    look = Look(LOOKS[0], 0.0)
    for cells in LOOKS:
        index = CoarseIndex.open(path, cells)
        found = [_best(vectors, row, index.candidates(vectors[row], CANDIDATES, None)) for row in asked.tolist()]
        shares = [len(set(some) & set(right)) / max(1, len(right)) for some, right in zip(found, truth, strict=True)]
        look = Look(cells, round(float(np.mean(shares)), 4))
        if look.recall >= WANTED:
            break
    return look


def _nearest_rows(vectors: Vectors, asked: Rows) -> list[list[int]]:
    """Return the ten nearest rows of each row asked, itself left out, by looking at all, a chunk at a time."""
    queries = np.asarray(vectors[asked], np.float32)
    best: Vectors = np.empty((len(asked), 0), np.float32)
    ids: Rows = np.empty((len(asked), 0), np.int64)
    for rows in _chunks(len(vectors)):
        scores = queries @ np.asarray(vectors[rows], np.float32).T
        names = np.broadcast_to(np.arange(rows.start, rows.stop), scores.shape)
        best, ids = np.concatenate([best, scores], axis=1), np.concatenate([ids, names], axis=1)
        order = np.argsort(-best, axis=1)[:, : NEAREST + 1]
        best, ids = np.take_along_axis(best, order, 1), np.take_along_axis(ids, order, 1)
    return [
        [one for one in some if one != row][:NEAREST] for some, row in zip(ids.tolist(), asked.tolist(), strict=True)
    ]


def _best(vectors: Vectors, row: int, candidates: Rows) -> list[int]:
    scores = vectors[candidates] @ vectors[row]
    return [one for one in candidates[np.argsort(-scores)].tolist() if one != row][:NEAREST]


class CoarseIndex:
    """Candidates for queries. May be used from many threads."""

    def __init__(self, index: Any, cells: int) -> None:  # noqa: ANN401 - FAISS describes its classes as what they are not
        self._index = index
        self._cells = cells

    @classmethod
    def open(cls, path: Path, cells: int) -> CoarseIndex:
        """Map an inverted file into memory. The caller has compared its sha256 with the manifest.

        cells: how many a query looks into.
        """
        import faiss

        return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY), cells)

    def candidates(self, query: Vectors, count: int, rows: Rows | None) -> Rows:
        """Return up to `count` rows that are near a query [d], in no particular order; of `rows` only, if given.

        The fewer rows may answer, the more cells are looked into: as many rows are compared as without a filter.
        """
        import faiss

        share = 1.0 if rows is None else max(len(rows), 1) / self._index.ntotal
        cells = min(self._index.nlist, math.ceil(self._cells / share))
        selector = None if rows is None else _selector(rows, self._index.ntotal)
        chosen = faiss.SearchParametersIVF()
        chosen.sel, chosen.nprobe = selector, cells  # does not own the selector: it must live as long as the search
        _, found = self._index.search(np.ascontiguousarray(query[None], np.float32), count, params=chosen)
        near: Rows = found[0][found[0] >= 0]
        return near


def _selector(rows: Rows, total: int) -> Any:  # noqa: ANN401 - as above
    import faiss

    bits = np.zeros(total, bool)
    bits[rows] = True
    select: Any = faiss.IDSelectorBitmap  # takes the array itself, FAISS's own description of it does not say so
    return select(np.packbits(bits, bitorder="little"))


def _nearest(quantizer: IndexFlatL2, vectors: Vectors) -> Cells:
    _, cells = quantizer.search(np.ascontiguousarray(vectors, np.float32), 1)
    nearest: Cells = cells[:, 0].astype(np.int32)
    return nearest


def _kept_or(path: Path | None, count: int, make: Callable[[], Cells]) -> Cells:
    """Return the cells of a chunk from a build that was stopped, or make and keep them."""
    if path is None:
        return make()
    with suppress(OSError, ValueError):
        found: Cells = np.load(path, allow_pickle=False)
        if found.shape == (count,):
            return found
    made = make()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part.npy")
        np.save(temporary, made)
        temporary.replace(path)
    return made


def _chunks(rows: int) -> Iterator[slice]:
    return (slice(start, min(start + CHUNK, rows)) for start in range(0, rows, CHUNK))
