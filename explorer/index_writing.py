"""Making the vectors of a corpus: encoded and written a chunk at a time, so that memory does not grow with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from explorer import coarse
from explorer.errors import TowerError
from explorer.files import write_atomically
from models.interfaces import Vectors

if TYPE_CHECKING:
    from explorer.index import IndexKey, ReportIndex

Encode = Callable[[Sequence[str]], Vectors]
Told = Callable[[int, int], object]  # (texts done, texts in all)
Passage = tuple[
    str, Sequence[str]
]  # a distinct text as encoders see it, and the sorted ids of the studies that have it

VECTORS, ROWS, DIGESTS = "vectors.npy", "rows.json", "texts.npy"
CENTRES, CELLS, COARSE = "centres.npy", "cells.npy", "coarse.faiss"  # only where there are very many rows
DIGEST = 16  # bytes that tell a text from every other
_CHUNK = 256  # texts between two reports of progress; what is lost at most when a build is stopped
_PAIRS = 20_000  # random pairs behind the 101 quantiles; the 95th is then known to within 0.2 percentage points
_PAIRS_AT_ONCE = 250


def encoded_chunks(
    key: IndexKey, passages: Iterable[Passage], encode: Encode, resume: Path | None, earlier: ReportIndex | None
) -> Iterator[tuple[list[Passage], Vectors]]:
    """Yield passages a chunk at a time with their vectors: those of `earlier`, of a stopped build, or made now."""
    rest = iter(passages)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk, _vectors(key, [text for text, _ in chunk], encode, resume, earlier)


def encode_share(
    key: IndexKey,
    passages: Iterable[Passage],
    encode: Encode,
    kept: Path,
    share: tuple[int, int],
    told: Callable[[int], object],
) -> None:
    """Encode every so-many-th chunk of a corpus into `kept`, where `ReportIndex.build` finds it as `resume`.

    share: which worker this is, from 0, and of how many. told: hears how many texts were gone through. What is kept
    already is not encoded again. Raises TowerError, and OSError where `kept` cannot be written.
    """
    worker, workers = share
    kept.mkdir(parents=True, exist_ok=True)
    rest, number, done = iter(passages), 0, 0
    while chunk := list(islice(rest, _CHUNK)):
        if number % workers == worker:
            _encoded(key, [text for text, _ in chunk], encode, kept)
        number, done = number + 1, done + len(chunk)
        told(done)


def write_rows(
    generation: Path, key: IndexKey, total: int, chunks: Iterator[tuple[list[Passage], Vectors]], progress: Told
) -> None:
    """Write vectors, digests and ids row by row, as they come."""
    with (
        (generation / VECTORS).open("wb") as vectors,
        (generation / DIGESTS).open("wb") as digests,
        (generation / ROWS).open("w", encoding="ascii") as rows,
    ):
        _write_header(vectors, np.float32, (total, key.dim))
        _write_header(digests, np.uint8, (total, DIGEST))
        done = 0
        for chunk, encoded in chunks:
            vectors.write(encoded.tobytes())
            digests.write(b"".join(digest_of(text) for text, _ in chunk))
            rows.write(f"{',' if done else '['}{json.dumps([studies for _, studies in chunk])[1:-1]}\n")
            done += len(chunk)
            progress(done, total)
        rows.write("]" if done else "[]")


def digest_of(text: str) -> bytes:
    """Return what tells a text from every other."""
    return hashlib.sha256(text.encode()).digest()[:DIGEST]


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
        return checked(key, encode(chunk), len(chunk))
    named_by = json.dumps([key.folder_name, chunk]).encode()
    path = resume / f"{hashlib.sha256(named_by).hexdigest()}.chunk"
    kept = _kept(path, (len(chunk), key.dim))
    if kept is not None:
        return kept
    vectors = checked(key, encode(chunk), len(chunk))
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


def checked(key: IndexKey, vectors: Vectors, rows: int) -> Vectors:
    """Return what an encoder gave as contiguous [rows, dim] float32. Raises TowerError if it cannot be indexed."""
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


def unrelated_quantiles(path: Path, rows: int) -> NDArray[np.float64]:
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


def part(generation: Path, earlier: ReportIndex | None, resume: Path | None) -> coarse.Look:
    """Part the rows of a generation among cells, and measure how many a query has to look into.

    Those of an earlier index stay where they were.
    """
    vectors = np.load(generation / VECTORS, mmap_mode="r", allow_pickle=False)
    started = None if earlier is None else earlier.parting(read_digests(generation / DIGESTS))
    if started is None:
        nowhere = np.full(len(vectors), -1, np.int32)
        started = coarse.Parting(coarse.fit_centres(vectors, coarse.cells_for(len(vectors))), nowhere)
    cells = coarse.assign(vectors, started.centres, started.cell_of, resume)
    np.save(generation / CENTRES, started.centres)
    np.save(generation / CELLS, cells)
    coarse.write_index(generation / COARSE, vectors, coarse.Parting(started.centres, cells))
    return coarse.measured_look(generation / COARSE, vectors)


def read_digests(path: Path) -> NDArray[np.uint8]:
    """Return the digest [n, 16] of each row's text; [0, 16] of an index made before they were kept."""
    if not path.is_file():
        return np.empty((0, DIGEST), np.uint8)
    digests: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    return digests
