"""Search among up to 1.6 million vectors: `python -m tests.benchmarks.scale`, about half an hour on one core.

The vectors are drawn from the real ones of the default encoder, plus noise. What is measured is saved with its date in
assets/results/scale.json, which `make bench` shows.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from explorer import coarse
from explorer.compose import compose
from explorer.settings import Settings

RESULTS = Path(__file__).resolve().parents[2] / "assets" / "results" / "scale.json"
SIZES = (4_000, 40_000, 400_000, 1_600_000)
NOISE = 0.5  # length of the noise beside a real vector of length 1
QUERIES, K, SELECTED = 100, 10, 0.01
MEGABYTE = 2**20


@dataclass(frozen=True)
class Measured:
    """What one size costs, and how much of the truth is found."""

    vectors: int
    kind: str  # "exact" | "inverted file, bytes"
    build_seconds: float
    p50_ms: float  # of one core's time; the wall says the same on a quiet machine
    p95_ms: float
    recall: float  # of the ten nearest, against looking at every row in float32
    filtered_recall: float  # the same where one row in a hundred may answer
    filtered_p50_ms: float
    memory_mb: float  # peak of a process that maps the files and searches
    file_mb: float
    added_percent: float  # rows added to the built index
    add_seconds: float


def drawn(real: np.ndarray, count: int, seed: int) -> Iterator[np.ndarray]:
    draw = np.random.default_rng(seed)
    for start in range(0, count, coarse.CHUNK):
        rows = min(coarse.CHUNK, count - start)
        noise = draw.standard_normal((rows, real.shape[1]), dtype=np.float32) * (NOISE / np.sqrt(real.shape[1]))
        chunk = real[draw.integers(len(real), size=rows)] + noise
        yield chunk / np.linalg.norm(chunk, axis=1, keepdims=True)


def write_vectors(path: Path, real: np.ndarray, count: int) -> None:
    mapped = np.lib.format.open_memmap(path, "w+", np.float32, (count, real.shape[1]))
    for number, chunk in enumerate(drawn(real, count, 0)):
        mapped[number * coarse.CHUNK : number * coarse.CHUNK + len(chunk)] = chunk
    mapped.flush()


def nearest_of_all(vectors: np.ndarray, queries: np.ndarray, among: np.ndarray | None) -> list[set[int]]:
    best = np.full((len(queries), K), -np.inf, np.float32)
    ids = np.full((len(queries), K), -1, np.int64)
    for start in range(0, len(vectors), coarse.CHUNK):
        scores = queries @ np.asarray(vectors[start : start + coarse.CHUNK]).T
        if among is not None:
            scores[:, ~among[start : start + coarse.CHUNK]] = -np.inf
        both = np.concatenate([best, scores], axis=1)
        names = np.concatenate([ids, np.broadcast_to(np.arange(start, start + scores.shape[1]), scores.shape)], axis=1)
        top = np.argpartition(-both, K, axis=1)[:, :K]
        best, ids = np.take_along_axis(both, top, 1), np.take_along_axis(names, top, 1)
    return [set(row.tolist()) for row in ids]


def built(folder: Path, started: coarse.Parting | None, name: str) -> tuple[coarse.Parting, float]:
    begun = time.perf_counter()
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    if started is None:
        nowhere = np.full(len(vectors), -1, np.int32)
        started = coarse.Parting(coarse.fit_centres(vectors, coarse.cells_for(len(vectors))), nowhere)
    cells = coarse.assign(vectors, started.centres, started.cell_of, folder / "kept")
    parting = coarse.Parting(started.centres, cells)
    coarse.write_index(folder / name, vectors, parting)
    return parting, time.perf_counter() - begun


def searched(folder: Path, queries: np.ndarray, allowed: np.ndarray) -> dict[str, object]:
    """Run in a process of its own, so that its memory is that of a search."""
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    search = _exact(vectors) if len(vectors) <= coarse.EXACT_UP_TO else _inverted(folder, vectors)
    for query in queries[:5]:  # what a running app has behind it
        search(query, None)
    answers: dict[str, object] = {}
    for name, rows in (("all", None), ("filtered", allowed)):
        seconds, found = [], []
        for query in queries:
            begun = time.process_time()  # of one thread: what else the machine does must not decide
            found.append(search(query, rows))
            seconds.append(time.process_time() - begun)
        answers |= {f"{name} seconds": seconds, f"{name} found": found}
    return answers | {"memory": peak_megabytes()}


def peak_megabytes() -> float:
    """Return the most memory this process held; `getrusage` would count what its parent held when it was started."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _exact(vectors):
    import faiss

    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(np.ascontiguousarray(vectors))

    def search(query, rows):
        selector = None if rows is None else faiss.IDSelectorBatch(rows)
        return flat.search(query[None], K, params=faiss.SearchParameters(sel=selector))[1][0].tolist()

    return search


def _inverted(folder, vectors):
    index = coarse.CoarseIndex.open(folder / "coarse.faiss")

    def search(query, rows):
        found = index.candidates(query, 4 * (K + 16), rows)
        scores = vectors[found].astype(np.float64) @ query.astype(np.float64)
        return found[np.argsort(-scores)[:K]].tolist()

    return search


def added(folder: Path, real: np.ndarray, parting: coarse.Parting) -> tuple[float, float]:
    """Add one row in a hundred to the vectors, and index them without parting the others again."""
    old = np.load(folder / "vectors.npy", mmap_mode="r")
    more = np.concatenate(list(drawn(real, len(old) // 100, 2)))
    grown = np.lib.format.open_memmap(folder / "grown.npy", "w+", np.float32, (len(old) + len(more), old.shape[1]))
    for start in range(0, len(old), coarse.CHUNK):
        grown[start : start + coarse.CHUNK] = old[start : start + coarse.CHUNK]
    grown[len(old) :] = more
    (folder / "grown.npy").replace(folder / "vectors.npy")
    known = np.concatenate([parting.cell_of, np.full(len(more), -1, np.int32)])
    _, seconds = built(folder, coarse.Parting(parting.centres, known), "grown.faiss")
    return len(more) / len(old) * 100, seconds


def measure(folder: Path, real: np.ndarray, count: int) -> Measured:
    write_vectors(folder / "vectors.npy", real, count)
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    inverted = count > coarse.EXACT_UP_TO
    parting, build_seconds = built(folder, None, "coarse.faiss") if inverted else (None, 0.0)
    queries = next(drawn(real, QUERIES, 1))
    among = np.random.default_rng(3).random(count) < SELECTED
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        answers = pool.apply(searched, (folder, queries, np.flatnonzero(among)))
    truth = {"all": nearest_of_all(vectors, queries, None), "filtered": nearest_of_all(vectors, queries, among)}
    recall = {
        name: float(
            np.mean(
                [
                    len(right & set(found)) / K
                    for right, found in zip(truth[name], answers[f"{name} found"], strict=True)
                ]
            )
        )
        for name in truth
    }
    file = folder / ("coarse.faiss" if inverted else "vectors.npy")
    size = file.stat().st_size / MEGABYTE
    more, add_seconds = added(folder, real, parting) if parting is not None else (0.0, 0.0)
    milliseconds = {name: np.array(answers[f"{name} seconds"]) * 1e3 for name in truth}
    return Measured(
        vectors=count,
        kind="inverted file, bytes" if inverted else "exact",
        build_seconds=round(build_seconds, 1),
        p50_ms=round(float(np.quantile(milliseconds["all"], 0.5)), 2),
        p95_ms=round(float(np.quantile(milliseconds["all"], 0.95)), 2),
        recall=round(recall["all"], 4),
        filtered_recall=round(recall["filtered"], 4),
        filtered_p50_ms=round(float(np.quantile(milliseconds["filtered"], 0.5)), 2),
        memory_mb=round(float(answers["memory"])),
        file_mb=round(size),
        added_percent=round(more, 2),
        add_seconds=round(add_seconds, 1),
    )


def growth(rows: list[Measured]) -> float:
    """Return the exponent by which the median search time grows from the smallest to the largest size."""
    first, last = rows[0], rows[-1]
    return float(np.log(last.p50_ms / first.p50_ms) / np.log(last.vectors / first.vectors))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--folder", type=Path, help="where the vectors lie meanwhile: up to 10 GB")
    options = parser.parse_args()
    explorer = compose(Settings())
    real = np.array(explorer.vectors("pocket").vectors, np.float32)
    explorer.close()
    rows = earlier()
    for size in options.sizes:
        with TemporaryDirectory(dir=options.folder) as folder:
            rows[size] = measure(Path(folder), real, size)
        sys.stdout.write(f"{rows[size]}\n")
        sys.stdout.flush()
        write(real.shape[1], [rows[one] for one in sorted(rows)])


def earlier() -> dict[int, Measured]:
    """Return what was measured before, by size: a size that is not measured again stays, with its day."""
    if not RESULTS.is_file():
        return {}
    return {row["vectors"]: Measured(**row) for row in json.loads(RESULTS.read_text(encoding="utf-8"))["sizes"]}


def write(dim: int, rows: list[Measured]) -> None:
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "dim": dim,
        "noise": NOISE,
        "queries": QUERIES,
        "cells_looked_into": coarse.LOOKED_INTO,
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        "growth_exponent": round(growth(rows), 3) if len(rows) > 1 else None,
        "sizes": [asdict(row) for row in rows],
    }
    RESULTS.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
