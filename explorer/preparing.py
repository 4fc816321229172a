"""The corpora prepared on this machine: read from their source, added to, taken from, listed.

Each lies in `corpora/<name>` in the cache folder. Its manifest remembers what it was read from and how, so that it can
be added to later; that is shown nowhere.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from explorer.corpora import READERS, open_source, openi
from explorer.corpora.base import LeftOut, Options, Place, Source, Study
from explorer.corpora.sex import sex_said
from explorer.errors import BadQuery, NotPrepared, StoreError, UnknownCorpus
from explorer.files import changing
from explorer.indexes import Indexes
from explorer.language.findings import FindingsReader, revision
from explorer.progress import Progress, silent
from explorer.projection import Maps
from explorer.settings import Settings
from explorer.store import ReportStore


@dataclass(frozen=True)
class Order:
    """What a person asks to have read."""

    reader: str
    place: Place = Place()  # noqa: RUF009 - frozen
    options: Options = Options()  # noqa: RUF009 - frozen

    def remembered(self) -> dict[str, str | None]:
        """Return it as it is kept in a manifest."""
        files = {"root": self.place.root, "mapping": self.place.mapping}
        absolute = {name: str(path.resolve()) if path else None for name, path in files.items()}
        return {"reader": self.reader, **absolute, **vars(self.options)}

    @classmethod
    def from_memory(cls, known: Mapping[str, Any]) -> Order:
        """Return what `remembered` kept."""
        root, mapping = (Path(known[name]) if known[name] else None for name in ("root", "mapping"))
        options = Options(known["views"], known["sections"], known["split"])
        return cls(known["reader"], Place(root, mapping), options)


def build(settings: Settings, order: Order, progress: Progress = silent) -> ReportStore:
    """Read a corpus from its source anew, whatever is there. Raises CorpusError, StoreError; the old one then stays."""
    source = _read(open_source(order.reader, order.place, order.options))
    with _turn(settings, source.name, progress):
        return _written(settings, source, progress, order.remembered())


def add(settings: Settings, order: Order, progress: Progress = silent) -> tuple[ReportStore, Counter[str]]:
    """Read new and changed studies into a prepared corpus; those the source does not have stay as they are.

    Returns the corpus, and how many of the studies read were "new", "changed" and "unchanged". Raises NotPrepared if
    there is nothing to add to, CorpusError, StoreError.
    """
    source = _read(open_source(order.reader, order.place, order.options))
    counts: Counter[str] = Counter()
    with _turn(settings, _known_folder(settings, source.name).name, progress):
        old = _current(settings, source.name, progress)
        merged = replace(source, total=source.total + old.info.studies, items=_merged(source.items, old, counts))
        return _written(settings, merged, progress, order.remembered()), counts


def remembered(settings: Settings, name: str) -> Order | None:
    """Return how a prepared corpus was asked for; None if it is not prepared, is damaged, or does not say."""
    with suppress(StoreError, UnknownCorpus):
        origin = ReportStore.open(_known_folder(settings, name)).origin
        return Order.from_memory(origin) if origin else None
    return None


def remove(settings: Settings, name: str) -> None:
    """Remove a corpus with all its vectors. Raises UnknownCorpus, NotPrepared."""
    folder = _known_folder(settings, name)
    with _turn(settings, name, silent):
        Indexes(settings.cache).drop(name)
        Maps(settings.cache).drop(name)
        shutil.rmtree(folder)


def remove_studies(settings: Settings, name: str, studies: Collection[str]) -> ReportStore:
    """Remove single studies from reports, word indexes and vectors. Raises BadQuery for one that is not there."""
    if name == openi.NAME:
        raise BadQuery(f"The corpus {name!r} is read from its package, which would bring them back.")
    with _turn(settings, _known_folder(settings, name).name, silent):
        old = _current(settings, name, silent)
        gone = frozenset(studies)
        old.get(sorted(gone))
        info = old.info
        rest = (item for item in old.items() if _name(item) not in gone)
        left = Source(info.name, info.title, info.licence, info.attribution, info.studies - len(gone), rest)
        store = _written(settings, left, silent, old.origin)
        Indexes(settings.cache).follow(store)
        return store


def opened(settings: Settings, name: str, progress: Progress = silent) -> ReportStore:
    """Return a prepared corpus; where its findings were read by other rules than today's, they are read anew first.

    Raises UnknownCorpus, NotPrepared, Damaged, Foreign, StoreError.
    """
    store = ReportStore.open(_known_folder(settings, name))
    if store.read_by == revision():
        return store
    with _turn(settings, name, progress):
        return _current(settings, name, progress)


def prepared_beside(settings: Settings, name: str, progress: Progress = silent) -> list[ReportStore]:
    """Return the prepared corpora other than one, by name; what is damaged is not among them."""
    stores = []
    for other in _names(settings):
        with suppress(StoreError):
            stores += [opened(settings, other, progress)] if other != name else []
    return stores


def _turn(settings: Settings, name: str, progress: Progress) -> AbstractContextManager[None]:
    """Whoever changes a corpus waits for whoever is changing it: of two `add` at once, both stay."""
    return changing(_folder(settings, name), "reports", lambda: progress(f"Waiting for another change of {name}", 0.0))


def _current(settings: Settings, name: str, progress: Progress) -> ReportStore:
    """Return a prepared corpus whose findings were read by today's rules. Call it in one's turn."""
    store = ReportStore.open(_known_folder(settings, name))
    if store.read_by == revision():
        return store
    info = store.info
    terms = (info.name, info.title, info.licence, info.attribution)
    again = Source(*terms, info.studies, store.items(), info.sha256)
    return _written(settings, _read(again), progress, store.origin)


def _written(settings: Settings, source: Source, progress: Progress, origin: Mapping[str, str | None]) -> ReportStore:
    return ReportStore.write(_folder(settings, source.name), source, progress, origin, revision())


def _read(source: Source) -> Source:
    """Have the findings of every report read, and the sex where only its indication states it."""
    reader = FindingsReader.open()

    def read(item: Study | LeftOut) -> Study | LeftOut:
        if isinstance(item, LeftOut):
            return item
        report = item.report
        sex = report.meta.sex or sex_said(report.sections.get("indication", ""))
        findings, meta = reader.read_report(report.sections), replace(report.meta, sex=sex)
        return replace(item, report=replace(report, findings=findings, meta=meta))

    return replace(source, items=map(read, source.items))


def _merged(fresh: Iterable[Study | LeftOut], old: ReportStore, counts: Counter[str]) -> Iterator[Study | LeftOut]:
    """Yield what was read now, then what was known before of all other studies."""
    read = _Names()
    for item in fresh:
        if isinstance(item, Study):
            known = old.find(item.report.id)
            counts["new" if known is None else "unchanged" if known == item.report else "changed"] += 1
        read.add(_name(item))
        yield item
    for item in old.items():
        if _name(item) not in read:
            yield item


class _Names:
    """A set of study ids on disk: memory does not grow with it."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("")
        self._table.execute("CREATE TABLE names (name TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, name: str) -> None:
        self._table.execute("INSERT OR IGNORE INTO names VALUES (?)", (name,))

    def __contains__(self, name: str) -> bool:
        return self._table.execute("SELECT 1 FROM names WHERE name = ?", (name,)).fetchone() is not None


def _name(item: Study | LeftOut) -> str:
    return item.study if isinstance(item, LeftOut) else item.report.id


def _names(settings: Settings) -> list[str]:
    folders = settings.cache / "corpora"
    return sorted(path.name for path in folders.iterdir() if path.is_dir()) if folders.is_dir() else []


def _folder(settings: Settings, name: str) -> Path:
    return settings.cache / "corpora" / name


def _known_folder(settings: Settings, name: str) -> Path:
    """Return the folder of a prepared corpus. What is typed is looked up among names, never used as a path."""
    names = _names(settings)
    if name in names:
        return _folder(settings, name)
    if name not in READERS:
        known = ", ".join(dict.fromkeys((*READERS, *names)))
        raise UnknownCorpus(f"There is no corpus {name!r}. Known: {known}.")
    raise NotPrepared(
        f"The corpus {name!r} has not been prepared yet. "
        f"Run `python -m explorer index build --corpus {name} --root DIR`."
    )
