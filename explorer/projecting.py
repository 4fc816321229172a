"""The process that makes a map: UMAP, k-means, and the measure of what the map keeps.

It is started by `explorer.projection` in an empty folder that holds the vectors, tells each step on a line of its own
("0.35 Laying out"), and leaves places, clusters and an answer there.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explorer.neighbourhoods import Floats, between_neighbours, nearest_by_cosine, preservation

FITTED = 20_000  # points UMAP lays out; of more, a sample drawn by the seed, and the rest between their neighbours
_AROUND = 15  # neighbours in the sample that place a point
_FEW = 10_000  # points up to which a layout takes 500 rounds, as in UMAP itself
_STEPS = (0.02, 0.15, 0.85, 0.95)  # shares done before: neighbours, layout, clusters, measure


def main(folder: str, settings: str) -> None:
    """Make the map in a folder. settings: those of `explorer.projection.MapSettings`, as JSON."""
    begun = time.perf_counter()
    place, wanted = Path(folder), json.loads(settings)
    vectors = np.load(place / "vectors.npy", mmap_mode="r", allow_pickle=False)
    sample = sample_rows(len(vectors), FITTED, wanted["seed"])
    fitted = np.asarray(vectors[sample])
    places = spread_out(vectors, sample, lay_out(fitted, wanted["neighbours"], wanted["spread"], wanted["seed"]))
    say(_STEPS[2], "Grouping")
    clusters = grouped(vectors, fitted, wanted["clusters"], wanted["seed"])
    say(_STEPS[3], "Measuring what the map keeps")
    kept = preservation(np.asarray(vectors), places, seed=wanted["seed"])
    np.save(place / "places.npy", places, allow_pickle=False)
    np.save(place / "clusters.npy", clusters, allow_pickle=False)
    seconds = round(time.perf_counter() - begun, 2)
    answer = {"preservation": asdict(kept), "fitted": len(sample), "seconds": seconds}
    (place / "answer.json").write_text(json.dumps(answer), encoding="ascii")


def sample_rows(total: int, most: int, seed: int) -> NDArray[np.int64]:
    """Return the sorted rows that are laid out: all, or `most` drawn by the seed."""
    if total <= most:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, most, replace=False))


def lay_out(vectors: Floats, neighbours: int, spread: float, seed: int) -> Floats:
    """Return [n, 2] for unit vectors [n, d]: UMAP on their exact nearest neighbours, begun at the principal axes.

    The same input gives the same output on the same machine.
    """
    say(_STEPS[0], "Finding neighbours")
    k = min(neighbours, len(vectors) - 1)
    own = np.arange(len(vectors))
    rows, cosines = nearest_by_cosine(vectors, vectors, k - 1, own)
    rows = np.concatenate((own[:, None], rows), axis=1).astype(np.int64)  # UMAP counts a point as its own first
    far = np.concatenate((np.zeros((len(rows), 1), np.float32), np.maximum(1 - cosines, 0)), axis=1)
    say(_STEPS[1], "Laying out")
    from umap import UMAP  # loads for seconds: after the first steps are told

    reducer = UMAP(
        n_neighbors=k,
        min_dist=spread,
        n_epochs=500 if len(vectors) <= _FEW else 200,
        metric="cosine",
        init="pca",
        random_state=seed,
        n_jobs=1,
        precomputed_knn=(rows, far.astype(np.float32), None),
        force_approximation_algorithm=True,  # else the neighbours given are not used for fewer than 4,096 points
        verbose=True,
        tqdm_kwds={"file": _Told(), "bar_format": "{n}/{total}", "mininterval": 0.2},
    )
    return np.asarray(reducer.fit_transform(vectors), np.float32)


def spread_out(vectors: Floats, sample: NDArray[np.int64], placed: Floats) -> Floats:
    """Return [n, 2]: the sample where it was laid out, every other point between its neighbours in the sample."""
    if len(sample) == len(vectors):
        return placed
    places = np.empty((len(vectors), 2), np.float32)
    places[sample] = placed
    rest = np.setdiff1d(np.arange(len(vectors)), sample)
    bank = np.asarray(vectors[sample])
    for start in range(0, len(rest), FITTED):
        part = rest[start : start + FITTED]
        places[part] = between_neighbours(placed, *nearest_by_cosine(np.asarray(vectors[part]), bank, _AROUND))
    return places


def grouped(vectors: Floats, fitted: Floats, count: int, seed: int) -> NDArray[np.int16]:
    """Return the group [n] of every point: k-means among the fitted ones in the original space, largest group first."""
    from sklearn.cluster import KMeans

    means = KMeans(min(count, len(fitted)), n_init=3, random_state=seed).fit(fitted).cluster_centers_
    offset = -0.5 * np.einsum("kd,kd->k", means, means)
    nearest = np.argmax(np.asarray(vectors) @ means.T.astype(np.float32) + offset, axis=1)
    order = np.argsort(-np.bincount(nearest, minlength=len(means)), kind="stable")
    return np.asarray(np.argsort(order)[nearest], np.int16)


def say(share: float, what: str) -> None:
    """Tell how far the map is."""
    sys.stdout.write(f"{share:.3f} {what}\n")
    sys.stdout.flush()


class _Told:
    """Takes the progress bar of the layout, "120/500", and tells it as a step."""

    def write(self, text: str) -> None:
        """Take what a progress bar draws."""
        done, _, total = text.strip().partition("/")
        if done.isdigit() and total.isdigit() and int(total):
            say(_STEPS[1] + (_STEPS[2] - _STEPS[1]) * int(done) / int(total), "Laying out")

    def flush(self) -> None:
        """Nothing is held back."""
