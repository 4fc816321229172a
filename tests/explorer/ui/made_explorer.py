"""A small engine with made-up reports, so that the page can be tested without a tower."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from types import SimpleNamespace

import numpy as np

from explorer.errors import BadQuery, NotAnImage
from explorer.evidence import HeatMap
from explorer.language.abbreviations import Expander, Expansion
from explorer.language.agreement import agreements
from explorer.language.findings import FindingsReader, observations
from explorer.nearness import Floor
from explorer.settings import Settings
from explorer.store import CorpusInfo
from explorer.store_filters import Facets
from explorer.types import Filters, Finding, Hit, Query, QueryImage, Report, Scope, SearchResult, StudyMeta

CORPUS = CorpusInfo(
    name="made-up",
    title="Made-up reports",
    licence="CC BY 4.0",
    attribution="Written for the tests of this project",
    sha256="0" * 64,
    studies=3_955,
    sections={"findings": 3_400, "impression": 3_900, "indication": 3_800},
    scopes={"report": 3_930, "findings": 3_400, "impression": 3_900},
)
EXPANDER = Expander.open()
READER = FindingsReader.open()
FACETS = Facets(
    findings={
        "Pneumothorax": {"present": 20, "absent": 2_700, "uncertain": 3},
        "Lung Opacity": {"present": 410, "uncertain": 12},
        "Chest Tube": {"present": 11},
    },
    sexes={"F": 690, "M": 477},
    sources={"made-up": 3_955},
    views={"PA": 3_000, "LATERAL": 2_900},
)
TEXTS = (
    (
        "A right-sided chest tube ends near the apex. A thin pleural line remains at the right apex, about XXXX "
        "wide, smaller than before. The left lung is clear. No shift of the mediastinum.",
        "Small residual right apical pneumothorax with the chest tube in place.",
    ),
    ("", "Right chest tube. No pneumothorax is seen any more."),
    (
        "Coarse reticular opacities at both lung bases, low lung volumes. The heart is borderline in size. No "
        "effusion. The hila are not enlarged, and the aorta is calcified at the arch as XXXX XXXX described.",
        "Basal reticular opacities, most likely fibrosis; compare with older films if there are any.",
    ),
    ("Heart and mediastinum are normal. Both lungs are clear. No effusion, no pneumothorax.", "Normal chest."),
)


@cache
def report(number: int) -> Report:
    findings, impression = TEXTS[number % len(TEXTS)]
    sections = {"findings": findings, "impression": impression, "indication": "Shortness of breath, XXXX."}
    codes = ("Pneumothorax/right/apex/small", "Catheters, Indwelling/thorax/right") if number % 3 == 0 else ("normal",)
    sex = ("F", "M", None)[number % 3]
    meta = StudyMeta(age=24 + 7 * number % 70, views=("PA", "LATERAL"), films=2, codes=codes, sex=sex)
    read = READER.read_report(sections)
    return Report(f"made-up:{1000 + 37 * number}", "made-up", sections, read, meta, "CC BY 4.0")


def hit(number: int) -> Hit:
    twins = ("made-up:7001", "made-up:7002") if number == 2 else ()
    return Hit(number, 0.86 - 0.021 * number, report(number), twins, closer_than=0.9995 - 0.004 * number)


def hits(asked: tuple[Finding, ...], k: int, filters: Filters) -> tuple[Hit, ...]:
    passing = [one for one in map(hit, range(1, 61)) if passes(one.report, filters)]
    return tuple(
        replace(one, rank=rank, agreement=agreements(asked, one.report.findings))
        for rank, one in enumerate(passing[:k], 1)
    )


def passes(report: Report, filters: Filters) -> bool:
    said, meta = observations(report.findings), report.meta
    return (
        (filters.min_age or 0) <= meta.age <= (filters.max_age or 200)
        and filters.view in (None, *meta.views)
        and filters.sex in (None, meta.sex)
        and (filters.section is None or bool(report.sections.get(filters.section)))
        and all(one.name in said and one.status in (None, said[one.name]) for one in filters.findings)
        and not any(said.get(name) in ("present", "uncertain") for name in filters.without)
    )


@dataclass
class FakeExplorer:
    """Answers every query with the same made-up studies; the words "slow" and "break" do what they say."""

    corpus: CorpusInfo = CORPUS
    settings: Settings = field(default_factory=Settings)
    others: tuple[CorpusInfo, ...] = ()

    def corpora(self) -> tuple[CorpusInfo, ...]:
        return (self.corpus, *self.others)

    def choices(self) -> tuple[SimpleNamespace, ...]:
        both, text = frozenset({"text", "image"}), frozenset({"text"})
        return (
            SimpleNamespace(name="pocket", label="pocket", kinds=both, note=""),
            SimpleNamespace(name="base", label="SmolLM2 untouched", kinds=text, note="baseline"),
            SimpleNamespace(name="minilm", label="MiniLM", kinds=text, note="baseline"),
            SimpleNamespace(name="bm25", label="BM25", kinds=text, note="words only, no model"),
        )

    def facets(self, corpus: str | None = None) -> Facets:
        return FACETS

    def recognises(self, query: Query) -> bool:
        return query.kind != "text" or "kettle" not in (query.text or "")

    def floor(self, encoder: str, **where: object) -> Floor | None:
        return None if encoder == "bm25" else Floor(0.9, 40)

    def describe(self, encoder: str) -> str:
        return f"{encoder} · bf16 · cpu"

    def expand(self, text: str) -> Expansion:
        if len(text) > 4_000:
            raise BadQuery("The text is too long. Shorten it.")
        return EXPANDER.expand(text)

    def read_image(self, data: bytes) -> QueryImage:
        if not data.startswith(b"film"):
            raise NotAnImage("This file is neither DICOM nor PNG nor JPEG. Drop a radiograph in one of these formats.")
        return film(data)

    def by_text(
        self,
        text: str,
        *,
        encoder: str,
        corpus: str | None = None,
        scope: Scope = "report",
        k: int = 10,
        filters: Filters | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> SearchResult:
        if not text.strip():
            raise BadQuery("The query is empty. Type a note, or drop a film.")
        if "break" in text:
            raise MemoryError
        if "slow" in text and progress is not None:
            progress("Preparing vectors of 3,930 reports", 0.4)
        if "endless" in text and progress is not None:
            while True:  # until it is stopped
                progress("Preparing vectors of 3,930 reports", 0.4)
                time.sleep(0.05)
        asked_for = READER.read(EXPANDER.expand(text).expanded, "query")
        found = hits(asked_for, k, filters or Filters())
        name = "bm25" if encoder == "bm25" else "cosine"
        if name == "bm25":
            found = tuple(replace(one, score=20 - one.rank, closer_than=None) for one in found)
        space = "words" if name == "bm25" else "report"
        asked = corpus or self.corpus.name
        shown = filters or Filters()
        return SearchResult(
            Query(text=text), encoder, space, name, asked, scope, found, 0.137, (), "", asked_for, shown
        )

    def neighbours(
        self,
        study: str,
        *,
        encoder: str,
        corpus: str | None = None,
        scope: Scope = "report",
        k: int = 10,
        filters: Filters | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> SearchResult:
        like = self.by_text("right pneumothorax", encoder=encoder, corpus=corpus, scope=scope, k=k + 1, filters=filters)
        others = tuple(one for one in like.hits if one.report.id != study)[:k]
        return replace(like, query=Query(study=study), hits=others)

    def by_both(
        self,
        text: str,
        image: QueryImage,
        *,
        weight: float,
        encoder: str,
        corpus: str | None = None,
        scope: Scope = "report",
        k: int = 10,
        filters: Filters | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> SearchResult:
        both = self.by_text(text, encoder=encoder, corpus=corpus, scope=scope, k=k, filters=filters)
        return replace(both, query=Query(text=text, image=image, weight=weight), space="image")

    def by_image(
        self,
        image: QueryImage,
        *,
        encoder: str = "pocket",
        corpus: str | None = None,
        scope: Scope = "report",
        k: int = 10,
        filters: Filters | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> SearchResult:
        found = tuple(replace(one, closer_than=None) for one in hits((), k, filters or Filters()))
        notes = ("Film and reports are aligned through findings, not through paired reports.",)
        name = corpus or self.corpus.name
        return SearchResult(Query(image=image), encoder, "image", "cosine", name, scope, found, 0.412, notes)

    def evidence(
        self,
        image: QueryImage,
        *,
        encoder: str,
        study: str = "",
        phrase: str = "",
        corpus: str | None = None,
        scope: Scope = "report",
    ) -> HeatMap:
        if phrase == "nothing":
            return HeatMap(np.zeros((64, 52), np.float32), phrase, 0.1, "cosine", encoder)
        if "break" in phrase:
            raise BadQuery("The encoder found no usable vector for this query. Change the query, or the encoder.")
        rows, columns = np.mgrid[:64, :52]
        values = np.exp(-(((rows - 48) / 7) ** 2) - ((columns - 12) / 6) ** 2).astype(np.float32)
        return HeatMap(values / values.max(), study or phrase, 0.318, "cosine", encoder)

    def close(self) -> None:
        pass


def film(data: bytes = b"film", height: int = 1_400, width: int = 1_150) -> QueryImage:
    """A picture with a bright middle and two dark fields, 12 bits deep."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lungs = sum(np.exp(-(((columns - side) / 0.28) ** 2) - (rows / 0.55) ** 2) for side in (-0.42, 0.42))
    grey = 3_000 - 2_300 * lungs + 300 * np.sin(rows * 38) * lungs
    display = np.clip(grey, 0, 4_095).astype(np.uint16)
    pixels = (display >> 4).astype(np.uint8)
    notes = ("Stored as MONOCHROME1: inverted once.", "Names and dates in the file were not read.")
    return QueryImage(pixels, display, (1_900.0, 3_000.0), "DICOM", hashlib.sha256(data).hexdigest(), notes)
