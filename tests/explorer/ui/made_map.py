"""Made-up reports with made-up vectors, enough of them for a map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from made_explorer import CORPUS, FakeExplorer

from explorer.index import IndexKey, ReportIndex
from explorer.types import Finding, Hit, Query, Report, SearchResult, StudyMeta

# finding or "", its status, and what such a report says
KINDS = (
    ("Pleural Effusion", "present", "Moderate left pleural effusion with blunting of the costophrenic angle."),
    ("Pneumothorax", "present", "Small right apical pneumothorax. Chest tube in place."),
    ("Pneumothorax", "absent", "Lungs are clear. No pneumothorax. Heart size is normal."),
    ("Cardiomegaly", "present", "Enlarged cardiac silhouette, mild vascular congestion."),
    ("Atelectasis", "uncertain", "Streaky basilar opacity, possibly atelectasis, as XXXX described."),
    ("", "", 'Degenerative changes of the thoracic spine. <img src=x onerror="window.__x=1"> <b>bold</b>'),
)
PAYLOADS = ("<script>window.__x=2</script>", "{{7*7}}", "${7*7}", "</script><svg onload=window.__x=3>", "=1+1")
# Stands in for the real process: the first two numbers of a vector are its place, the kind its group.
QUICK_MAP = """
import json, sys; import numpy as np; from pathlib import Path
folder, settings = Path(sys.argv[2]), json.loads(sys.argv[3])
vectors = np.load(folder / "vectors.npy"); n = len(vectors)
print("0.500 Laying out", flush=True)
np.save(folder / "places.npy", np.ascontiguousarray(vectors[:, :2]))
np.save(folder / "clusters.npy", vectors[:, 2:8].argmax(axis=1).astype(np.int16))
kept = dict(kept=0.31, chance=0.004, trustworthiness=0.94, nearest=15, probed=n, points=n)
(folder / "answer.json").write_text(json.dumps(dict(preservation=kept, fitted=n, seconds=0.1)))
"""


def made_report(number: int) -> Report:
    name, status, words = KINDS[number % len(KINDS)]
    tail = f" {PAYLOADS[number % len(PAYLOADS)]}" if number < 30 else f" Study number {number}."
    found = Finding(name, status, "", "", "", "findings", 0, 5) if name else None
    sections = {"findings": words + tail} | ({"impression": "As above."} if number % 3 else {})
    meta = StudyMeta(age=None if number % 11 == 0 else 18 + number % 75, views=("PA",) * (number % 2), sex="male")
    return Report(f"made-up:{number}", "made-up", sections, (found,) if found else (), meta, "CC BY 4.0")


def made_vectors(count: int, seed: int) -> np.ndarray:
    """Six islands: two numbers for the place on the map, six for the kind, the rest noise."""
    draw = np.random.default_rng(seed)
    kinds = np.arange(count) % len(KINDS)
    angles = np.radians(60 * kinds + 40 * seed)
    places = np.stack((np.cos(angles), np.sin(angles)), axis=1) + draw.normal(size=(count, 2)) * 0.08
    return np.concatenate((places, np.eye(6)[kinds], draw.normal(size=(count, 4)) * 0.1), axis=1).astype(np.float32)


@dataclass
class MappedExplorer(FakeExplorer):
    """Answers what a map asks."""

    count: int = 300

    def __post_init__(self) -> None:
        self.made = tuple(made_report(number) for number in range(self.count))

    def reports(self, corpus: str | None = None) -> Iterator[Report]:
        return iter(self.made)

    def vectors(self, encoder, *, corpus=None, scope="report", space="report", progress=None) -> ReportIndex:
        key = IndexKey(CORPUS.name, CORPUS.sha256, scope, encoder, space, "cosine", "r1", 12)
        vectors = made_vectors(self.count, 0 if encoder == "pocket" else 1)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        groups = [[one.id] for one in self.made]
        return ReportIndex(key, vectors, groups, np.empty(0), np.empty((0, 16), np.uint8))

    def by_text(self, text, *, encoder, corpus=None, scope="report", k=10, filters=None, progress=None):
        answer = super().by_text(text, encoder=encoder, corpus=corpus, scope=scope, k=k)
        hits = tuple(Hit(rank, 0.9 - 0.02 * rank, self.made[(6 * rank + 1) % self.count]) for rank in range(1, k + 1))
        return replace(answer, hits=hits)

    def neighbours(self, study, *, encoder, corpus=None, scope="report", k=10, filters=None, progress=None):
        hits = tuple(Hit(rank, 0.9 - 0.02 * rank, self.made[6 * rank % self.count]) for rank in range(1, k + 1))
        return SearchResult(Query(study=study), encoder, "report", "cosine", "made-up", scope, hits, 0.01)
