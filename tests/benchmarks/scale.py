"""Search among up to 1.6 million vectors: `python -m tests.benchmarks.scale`, a quarter of an hour on two cores.

Each vector is a real one of the default encoder, moved by the difference of two others: as far as a report lies from
the report nearest to it, or half as far. So they fill the space between the reports as reports do, and no clump of
neighbours makes a search easy. What is measured is the search of the product, ids and exact scores included; it is
saved with its date in assets/results/scale.json, which `make bench` shows.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from explorer import coarse
from explorer.compose import compose
from explorer.index import IndexKey, ReportIndex
from explorer.settings import Settings
from tests.benchmarks.tables import SCALE, write_tables

SIZES = (4_000, 40_000, 400_000, 1_600_000)
MOVED = (0.5, 1.0)  # how far, as shares of the median distance between a report and the one nearest to it
QUERIES, K, SELECTED = 100, 10, 0.01
BLOCK = 20_000
MEGABYTE = 2**20


@dataclass(frozen=True)
class Measured:
    """What one size costs, and how much of the truth is found."""

    vectors: int
    moved: float  # see MOVED
    nearest: float  # mean score of the nearest vector to a query
    kind: str  # "all" | "320 of 1,265 cells"
    build_seconds: float  # by the wall: written, parted, checked
    p50_ms: float  # of one core's time; the wall says the same on a quiet machine
    p95_ms: float
    recall: float  # of the ten nearest, against looking at every row in float32
    filtered_recall: float  # the same where one row in a hundred may answer
    filtered_p50_ms: float
    memory_mb: float  # peak of a process that opens the index and searches
    file_mb: float  # of what is looked into for candidates
    added_percent: float  # rows added to the built index
    add_seconds: float


class Made:
    """Vectors that are made as they are asked for, the same ones every time."""

    def __init__(self, real: np.ndarray, moved: float, seed: int) -> None:
        scores = real @ real.T
        np.fill_diagonal(scores, -1)
        self._length = moved * float(np.median(np.sqrt(2 - 2 * scores.max(axis=1))))
        self._real, self._seed = real, seed
        self._block: tuple[int, np.ndarray] = (-1, real)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Return [stop − start, d] unit rows."""
        parts = []
        for number in range(start // BLOCK, -(-stop // BLOCK)):
            if self._block[0] != number:
                self._block = (number, self._made(number))
            parts.append(self._block[1][max(0, start - number * BLOCK) : stop - number * BLOCK])
        return np.concatenate(parts)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Encode texts that are numbers in a row."""
        return self.rows(int(texts[0]), int(texts[-1]) + 1)

    def _made(self, number: int) -> np.ndarray:
        draw = np.random.default_rng((self._seed, number))
        here, towards, away = self._real[draw.integers(len(self._real), size=(3, BLOCK))]
        step = towards - away
        step *= self._length / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-6)
        moved = here + step
        return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)


def name(row: int) -> str:
    return f"s:{row:07d}"


def key_of(dim: int) -> IndexKey:
    return IndexKey("made-up", "", "report", "made-up", "report", "cosine", "", dim)


def built(folder: Path, made: Made, count: int, dim: int, earlier: ReportIndex | None) -> float:
    begun = time.perf_counter()
    passages = ((str(row), [name(row)]) for row in range(count))
    ReportIndex.build(folder, key_of(dim), passages, count, made.encode, lambda *_: None, resume=None, earlier=earlier)
    return time.perf_counter() - begun


def added(folder: Path, made: Made, count: int, dim: int) -> float:
    """Run in a process of its own: as many rows more as that, indexed without parting the others anew."""
    return built(folder, made, count, dim, ReportIndex.open(folder, key_of(dim)))


def searched(folder: Path, queries: np.ndarray, allowed: np.ndarray) -> dict[str, object]:
    """Run in a process of its own, so that its memory is that of a search."""
    index = ReportIndex.open(folder, key_of(queries.shape[1]))
    some = frozenset(name(row) for row in allowed)
    for only in (None, some):  # what a running app has behind it
        index.search(queries[:2], K, only)
    answers: dict[str, object] = {}
    for kind, only in (("all", None), ("filtered", some)):
        seconds, found = [], []
        for query in queries:
            begun = time.process_time()  # of one thread: what else the machine does must not decide
            (near,) = index.search(query[None], K, only)
            seconds.append(time.process_time() - begun)
            found.append([int(one.id[2:]) for one in near])
        answers |= {f"{kind} seconds": seconds, f"{kind} found": found}
    return answers | {"memory": peak_megabytes()}


def peak_megabytes() -> float:
    """Return the most memory this process held; `getrusage` would count what its parent held when it was started."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def nearest_of_all(made: Made, count: int, queries: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and scores [q, K] of the nearest among the rows that are true in `among`, in float32."""
    best = np.full((len(queries), K), -np.inf, np.float32)
    ids = np.full((len(queries), K), -1, np.int64)
    for start in range(0, count, BLOCK):
        scores = queries @ made.rows(start, min(start + BLOCK, count)).T
        scores[:, ~among[start : start + BLOCK]] = -np.inf
        both = np.concatenate([best, scores], axis=1)
        rows = np.concatenate([ids, np.broadcast_to(np.arange(start, start + scores.shape[1]), scores.shape)], axis=1)
        top = np.argpartition(-both, K, axis=1)[:, :K]
        best, ids = np.take_along_axis(both, top, 1), np.take_along_axis(rows, top, 1)
    return ids, best


def recall_of(truth: np.ndarray, found: Sequence[Sequence[int]]) -> float:
    return float(np.mean([len(set(right.tolist()) & set(some)) / K for right, some in zip(truth, found, strict=True)]))


def measure(folder: Path, real: np.ndarray, count: int, moved: float) -> Measured:
    dim, made = real.shape[1], Made(real, moved, 0)
    build_seconds = built(folder, made, count, dim, None)
    queries = Made(real, moved, 1).rows(0, QUERIES)
    among = {"all": np.ones(count, bool), "filtered": np.random.default_rng(3).random(count) < SELECTED}
    answers = _apart(searched, folder, queries, np.flatnonzero(among["filtered"]))
    truth = {kind: nearest_of_all(made, count, queries, rows) for kind, rows in among.items()}
    recall = {kind: round(recall_of(truth[kind][0], answers[f"{kind} found"]), 4) for kind in truth}
    took = {kind: np.array(answers[f"{kind} seconds"]) * 1e3 for kind in truth}
    parted = count > coarse.EXACT_UP_TO
    (file,) = folder.rglob("coarse.faiss" if parted else "vectors.npy")
    size, more = file.stat().st_size, count // 100 if parted else 0
    return Measured(
        vectors=count,
        moved=moved,
        nearest=round(float(truth["all"][1].max(axis=1).mean()), 3),
        kind=looked_at(folder, count) if parted else "all",
        build_seconds=round(build_seconds, 1),
        p50_ms=round(float(np.quantile(took["all"], 0.5)), 2),
        p95_ms=round(float(np.quantile(took["all"], 0.95)), 2),
        recall=recall["all"],
        filtered_recall=recall["filtered"],
        filtered_p50_ms=round(float(np.quantile(took["filtered"], 0.5)), 2),
        memory_mb=round(float(answers["memory"])),
        file_mb=round(size / MEGABYTE),
        added_percent=round(more / count * 100, 2),
        add_seconds=round(_apart(added, folder, made, count + more, dim), 1) if more else 0.0,
    )


def looked_at(folder: Path, count: int) -> str:
    about = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["manifest"]["about"]
    return f"{about['look']['cells']} of {coarse.cells_for(count):,} cells"


def _apart(work: Callable[..., object], *given: object):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def growth(first: Measured, last: Measured) -> float:
    """Return the exponent by which the median search time grows from a size to the largest."""
    return round(float(np.log(last.p50_ms / first.p50_ms) / np.log(last.vectors / first.vectors)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--moved", type=float, nargs="*", default=MOVED)
    parser.add_argument("--folder", type=Path, help="where the vectors lie meanwhile: up to 10 GB")
    options = parser.parse_args()
    explorer = compose(Settings())
    real = np.array(explorer.vectors("pocket").vectors, np.float32)
    explorer.close()
    rows = earlier()
    for moved in options.moved:
        for size in options.sizes:
            with TemporaryDirectory(dir=options.folder) as folder:
                rows[moved, size] = measure(Path(folder), real, size, moved)
            sys.stdout.write(f"{rows[moved, size]}\n")
            sys.stdout.flush()
            write(real.shape[1], [rows[one] for one in sorted(rows)])


def earlier() -> dict[tuple[float, int], Measured]:
    """Return what was measured before: a size that is not measured again stays."""
    if not SCALE.is_file():
        return {}
    kept = (Measured(**row) for row in json.loads(SCALE.read_text(encoding="utf-8"))["sizes"])
    return {(row.moved, row.vectors): row for row in kept}


def write(dim: int, rows: Sequence[Measured]) -> None:
    grown = {str(moved): [row for row in rows if row.moved == moved] for moved in sorted({row.moved for row in rows})}
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "dim": dim,
        "queries": QUERIES,
        "load": round(os.getloadavg()[0], 1),
        "growth": {
            moved: {str(row.vectors): growth(row, some[-1]) for row in some[:-1]} for moved, some in grown.items()
        },
        "sizes": [asdict(row) for row in rows],
    }
    SCALE.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    write_tables()


if __name__ == "__main__":
    main()
