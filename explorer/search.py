"""The whole product without a screen: a query in, the studies that answer it out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol

from explorer.errors import BadQuery, NotPrepared
from explorer.index import IndexKey, ReportIndex
from explorer.intake.sandbox import Intake
from explorer.language.abbreviations import Expander, Expansion
from explorer.language.agreement import agreements
from explorer.language.findings import FindingsReader
from explorer.rankers import DenseRanker, Ranker, WordRanker
from explorer.settings import Settings
from explorer.store import CorpusInfo, ReportStore
from explorer.types import Filters, Hit, Query, QueryImage, Scope, SearchResult
from models.interfaces import (
    SEARCH_INSTRUCTION,
    SECTION_PROMPTS,
    Dual,
    EncoderInfo,
    TextEncoder,
    UnknownTower,
    Vectors,
)

WORDS = "bm25"
Progress = Callable[[str, float], object]  # what is being done, and the share done, 0–1


@dataclass(frozen=True)
class RankerChoice:
    """A way to rank, as a person chooses it."""

    name: str
    label: str
    kinds: frozenset[Literal["text", "image"]]  # what it can be asked with
    note: str  # "" or how it falls short


class Towers(Protocol):
    """Where the towers come from; loads each at most once."""

    def text(self, name: str) -> TextEncoder:
        """Return a report-space encoder. Raises TowerError."""
        ...

    def dual(self, name: str) -> Dual:
        """Return two towers with a shared space. Raises TowerError."""
        ...


def _silent(what: str, share: float) -> None:
    pass


class Explorer:
    """Search over one corpus. Safe to call from many threads."""

    def __init__(
        self, settings: Settings, store: ReportStore, towers: Towers, choices: tuple[RankerChoice, ...]
    ) -> None:
        self.settings = settings
        self._store = store
        self._towers = towers
        self._choices = choices
        self._intake = Intake(settings.limits)
        self._findings = FindingsReader.open()
        self._expander = Expander.open()
        self._indexes: dict[str, ReportIndex] = {}
        self._building = threading.Lock()  # one heavy job at a time
        self._making = ("", 0.0)  # what holds the lock, for those who wait

    @property
    def corpus(self) -> CorpusInfo:
        """The corpus that is searched."""
        return self._store.info

    def choices(self) -> tuple[RankerChoice, ...]:
        """Return the ways to rank, the default first."""
        return self._choices

    def choice(self, encoder: str) -> RankerChoice:
        """Return the way to rank of that name. Raises UnknownTower with the known ones."""
        for choice in self._choices:
            if choice.name == encoder:
                return choice
        known = ", ".join(choice.name for choice in self._choices)
        raise UnknownTower(f"There is no encoder {encoder!r}. Known: {known}.")

    def describe(self, encoder: str) -> str:
        """Return a ranker's name, precision and device, e.g. "pocket · bf16 · cpu"; loads the tower if needed."""
        if self.choice(encoder).name == WORDS:
            return f"{WORDS} · words only"
        info = self._towers.text(encoder).info
        return f"{info.name} · {info.precision} · {info.device}"

    def expand(self, text: str) -> Expansion:
        """Return the abbreviations of a text and what they mean in it."""
        self._check_text(text)
        return self._expander.expand(text)

    def read_image(self, data: bytes) -> QueryImage:
        """Turn the bytes of a DICOM, PNG or JPEG into a query. Raises IntakeError."""
        return self._intake.read(data)

    def by_text(
        self,
        text: str,
        *,
        encoder: str,
        scope: Scope = "report",
        k: int = 10,
        filters: Filters = Filters(),  # noqa: B008 - frozen
        progress: Progress = _silent,
    ) -> SearchResult:
        """Return the k studies whose text in `scope` is nearest to the text as typed.

        Raises:
            BadQuery: the text is empty, too long, or cannot be text.
            TowerError: the encoder is unknown or cannot be loaded.
        """
        self._check_text(text)
        query = Query(text=text)
        if self.choice(encoder).name == WORDS:
            return self._answer(query, WORDS, "words", WORDS, scope, WordRanker(self._store, scope), k, filters, ())
        tower = self._towers.text(encoder)
        instruction = SEARCH_INSTRUCTION if tower.info.instructed else ""
        index = self._index(tower, scope, progress)
        ranker = DenseRanker(self._store, index, lambda asked: tower.encode([asked.text or ""], instruction))
        return self._dense(query, tower.info, scope, ranker, k, filters)

    def by_image(
        self,
        image: QueryImage,
        *,
        encoder: str,
        scope: Scope = "report",
        k: int = 10,
        filters: Filters = Filters(),  # noqa: B008 - frozen
        progress: Progress = _silent,
    ) -> SearchResult:
        """Return the k studies whose text in `scope` is nearest to the film in the space both share.

        Raises:
            BadQuery: the encoder reads no images.
            TowerError: the encoder is unknown or cannot be loaded.
        """
        if "image" not in self.choice(encoder).kinds:
            able = ", ".join(choice.name for choice in self._choices if "image" in choice.kinds)
            raise BadQuery(f"The encoder {encoder} reads no radiographs. Choose one that does: {able}.")
        dual = self._towers.dual(encoder)
        index = self._index(dual.text, scope, progress)
        ranker = DenseRanker(self._store, index, partial(_film_vector, dual))
        return self._dense(Query(image=image), dual.text.info, scope, ranker, k, filters)

    def prepare(self, kind: Literal["text", "image"], progress: Progress = _silent) -> None:
        """Load the default encoder, and make the vectors that queries of a kind need, if they are not there yet."""
        choice = self.choice(self.settings.encoder)
        if kind in choice.kinds and choice.name != WORDS:
            name = choice.name
            self._index(self._towers.text(name) if kind == "text" else self._towers.dual(name).text, "report", progress)

    def rebuild(self, encoder: str, scope: Scope, progress: Progress = _silent) -> None:
        """Make the vectors of an encoder and scope anew, whatever is on disk."""
        choice = self.choice(encoder)
        towers = [self._towers.text(choice.name)]
        if "image" in choice.kinds:
            towers.append(self._towers.dual(choice.name).text)
        for tower in towers:
            key = self._key(tower.info, scope)
            self._indexes[key.folder_name] = self._build(tower, key, scope, progress)

    def close(self) -> None:
        """End the child process that decodes files."""
        self._intake.close()

    def _dense(
        self, query: Query, info: EncoderInfo, scope: Scope, ranker: Ranker, k: int, filters: Filters
    ) -> SearchResult:
        notes = (f"{info.note[0].upper()}{info.note[1:]}.",) if info.note else ()
        return self._answer(query, info.name, info.space, info.score, scope, ranker, k, filters, notes)

    def _answer(
        self,
        query: Query,
        encoder: str,
        space: Literal["report", "image", "words"],
        score_name: str,
        scope: Scope,
        ranker: Ranker,
        k: int,
        filters: Filters,
        notes: tuple[str, ...],
    ) -> SearchResult:
        if not 1 <= k <= self.settings.limits.hits:
            raise BadQuery(f"Ask for 1 to {self.settings.limits.hits} hits.")
        begun = time.perf_counter()
        hits = self._read(query, ranker.rank(query, k, filters))
        seconds = time.perf_counter() - begun
        return SearchResult(query, encoder, space, score_name, self.corpus.name, scope, hits, round(seconds, 4), notes)

    def _read(self, query: Query, hits: list[Hit]) -> tuple[Hit, ...]:
        """Read the findings of every hit, and how they agree with those of a text query."""
        asked = self._findings.read(self._expander.expand(query.text).expanded, "query") if query.text else ()
        read = [replace(hit.report, findings=self._findings.read_report(hit.report.sections)) for hit in hits]
        return tuple(
            replace(hit, report=report, agreement=agreements(asked, report.findings))
            for hit, report in zip(hits, read, strict=True)
        )

    def _check_text(self, text: str) -> None:
        limit = self.settings.limits.query_characters
        if len(text) > limit:
            raise BadQuery(f"The text has {len(text):,} characters; at most {limit:,} can be searched. Shorten it.")
        if not text.strip():
            raise BadQuery("The query is empty. Type a finding, a sentence or a whole report.")
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise BadQuery("The query holds characters that are not text. Type or paste it again.")

    def _index(self, tower: TextEncoder, scope: Scope, progress: Progress) -> ReportIndex:
        """Return the vectors of a scope: from memory, from disk, or made now."""
        key = self._key(tower.info, scope)
        if key.folder_name in self._indexes:
            return self._indexes[key.folder_name]
        while not self._building.acquire(timeout=0.5):
            progress(*self._making)
        try:
            if key.folder_name not in self._indexes:
                self._indexes[key.folder_name] = self._open_or_build(tower, key, scope, progress)
            return self._indexes[key.folder_name]
        finally:
            self._building.release()

    def _open_or_build(self, tower: TextEncoder, key: IndexKey, scope: Scope, progress: Progress) -> ReportIndex:
        folder = self.settings.cache / "indexes" / key.folder_name
        try:
            return ReportIndex.open(folder, key)
        except NotPrepared:
            return self._build(tower, key, scope, progress)

    def _build(self, tower: TextEncoder, key: IndexKey, scope: Scope, progress: Progress) -> ReportIndex:
        prompt = SECTION_PROMPTS[scope] if key.space == "image" else ""
        what = f"Encoding {scope}s with {key.encoder}" + (" for image search" if key.space == "image" else "")
        ids, texts = self._store.texts(scope)

        def tell(done: int, total: int) -> None:
            self._making = (what, done / total)
            progress(*self._making)

        index = ReportIndex.build(key, ids, texts, lambda chunk: tower.encode(chunk, prompt), tell)
        index.save(self.settings.cache / "indexes" / key.folder_name)
        return index

    def _key(self, info: EncoderInfo, scope: Scope) -> IndexKey:
        return IndexKey(
            corpus=self.corpus.name,
            corpus_sha256=self.corpus.sha256,
            scope=scope,
            encoder=info.name,
            space=info.space,
            score=info.score,
            revision=info.revision,
            dim=info.dim,
        )


def _film_vector(dual: Dual, query: Query) -> Vectors:
    if query.image is None:
        raise BadQuery("This search needs a radiograph. Drop a DICOM, PNG or JPEG.")
    return dual.image.encode([query.image.pixels])
