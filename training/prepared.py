"""A corpus that was prepared for the app, as the tasks on texts take it: its studies with the splits of its patients.

What is prepared knows no split, so its source is gone through again for them; the texts are those that were prepared.
Of a large corpus as many studies are drawn as a task on Open-I has, and a few more: figures then come in minutes.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from itertools import chain
from typing import get_args

from explorer.corpora import open_source
from explorer.corpora.base import Corpus, Study
from explorer.corpora.sections import scope_text
from explorer.corpora.split import Split
from explorer.preparing import Order, opened
from explorer.settings import Settings
from explorer.store import ReportStore
from models.interfaces import CxrError

MOST = 2_000  # studies drawn of each split


def read_prepared(settings: Settings, name: str, most: int = MOST) -> Corpus:
    """Return the studies of a prepared corpus that have words, at most `most` of each split, drawn by their names.

    Where not all are taken, the corpus is named after how many test studies were. Raises CxrError if it is not
    prepared, or its source is not there any more.
    """
    store = opened(settings, name)
    kept: dict[Split, list[tuple[int, str]]] = {split: [] for split in get_args(Split)}  # heaps, the first goes first
    found = dict.fromkeys(kept, 0)
    for study, split in _searchable(store):
        found[split] += 1
        place = (-int.from_bytes(hashlib.sha256(study.encode()).digest()[:8]), study)
        (heapq.heappush if len(kept[split]) < most else heapq.heappushpop)(kept[split], place)
    splits = {study: split for split, heap in kept.items() for _, study in sorted(heap, key=lambda one: one[1])}
    drawn = f", {most:,} of {found['test']:,} test studies drawn"
    return Corpus(
        name + (drawn if found["test"] > most else ""),
        store.info.title,
        store.info.licence,
        store.info.attribution,
        store.info.sha256,
        tuple(chain.from_iterable(store.get([study]) for study in splits)),
        splits,
    )


def _searchable(store: ReportStore) -> Iterator[tuple[str, Split]]:
    """Yield the prepared studies that have words, with the split their source puts the patient in."""
    if not store.origin:
        raise CxrError(f"The corpus {store.info.name!r} does not say what it was read from. Prepare it anew.")
    order = Order.from_memory(store.origin)
    for item in open_source(order.reader, order.place, order.options).items:
        if not isinstance(item, Study) or item.split is None:
            continue
        report = store.find(item.report.id)
        if report is not None and scope_text(report.sections, "report"):
            yield report.id, item.split
