"""The whole product without a screen: a query in, the studies that answer it out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

from explorer.answering import Answering, Question
from explorer.caution import cautioned
from explorer.choices import WORDS, RankerChoice, Towers, chosen
from explorer.compare import Comparison, check_rankers, compared
from explorer.corpora.sections import scope_text
from explorer.errors import BadQuery, UnknownCorpus
from explorer.evidence import HeatMap, evidence_for
from explorer.index import ReportIndex
from explorer.index_cache import IndexCache
from explorer.intake.sandbox import Intake
from explorer.language.abbreviations import Entry, Expander, Expansion
from explorer.nearness import Floor, Floors
from explorer.progress import Progress, silent
from explorer.query_text import check_text
from explorer.query_vectors import film_vector, mixed_vector
from explorer.rankers import DenseRanker
from explorer.settings import Settings
from explorer.store import CorpusInfo, ReportStore
from explorer.store_filters import Facets
from explorer.types import Filters, Query, QueryImage, Report, Scope, SearchResult
from models.interfaces import SEARCH_INSTRUCTION, Dual, EncoderInfo, Space, TextEncoder


class Explorer:
    """Search over one corpus, or several side by side. Safe to call from many threads."""

    def __init__(
        self,
        settings: Settings,
        store: ReportStore,
        towers: Towers,
        choices: tuple[RankerChoice, ...],
        others: Sequence[ReportStore] = (),
    ) -> None:
        self.settings = settings
        self._stores = {one.info.name: one for one in (store, *others)}
        self._store = store  # searched where no corpus is named
        self._towers = towers
        self._choices = choices
        self._intake = Intake(settings.limits)
        self._expander = Expander.open()
        self._answering = Answering(self._expander, settings.limits.hits)
        self._indexes = IndexCache(settings.cache, settings.cluster)
        self._floors = Floors()
        self._met: set[str] = set()  # text towers that are loaded

    @property
    def corpus(self) -> CorpusInfo:
        """The corpus that is searched where none is named."""
        return self._store.info

    def corpora(self) -> tuple[CorpusInfo, ...]:
        """Return the corpora that can be searched, the default first."""
        return tuple(store.info for store in self._stores.values())

    def facets(self, corpus: str | None = None) -> Facets:
        """Return what a corpus can be filtered by, with the number of studies of each. Raises UnknownCorpus."""
        return self._named(corpus).facets

    def reports(self, corpus: str | None = None) -> Iterator[Report]:
        """Yield every report of a corpus with its findings, a few hundred in memory at once. Raises UnknownCorpus."""
        return self._named(corpus).reports()

    def report(self, study: str, corpus: str | None = None) -> Report:
        """Return one report with its findings. Raises UnknownCorpus, BadQuery if the corpus has no such study."""
        return self._named(corpus).get([study])[0]

    def vectors(
        self,
        encoder: str,
        *,
        corpus: str | None = None,
        scope: Scope = "report",
        space: Space = "report",
        progress: Progress = silent,
    ) -> ReportIndex:
        """Return the vectors of a scope in the original space: one row for each distinct text, with its studies.

        space: "report", or "image" for the one that reports share with radiographs.

        Raises:
            BadQuery: the encoder has no such space.
            BadQuery: they lie in a cluster.
            UnknownCorpus: no such corpus is prepared.
            TowerError: the encoder is unknown or cannot be loaded.
        """
        if space == "image":
            self._check_reads(encoder, "image")
        tower = self.tower(encoder) if space == "report" else self._towers.dual(encoder).text
        index = self._indexes.of(self._named(corpus), tower, scope, progress)
        if not isinstance(index, ReportIndex):
            raise BadQuery(
                "This needs the vectors on this machine, and they lie in a cluster. Start without --cluster."
            )
        return index

    def recognises(self, query: Query) -> bool:
        """Return whether a query is about chest radiographs by its own words; one with a film or a study is."""
        return query.kind != "text" or self._answering.recognises(query.text or "")

    def floor(
        self, encoder: str, *, corpus: str | None = None, scope: Scope = "report", progress: Progress = silent
    ) -> Floor | None:
        """Return the score that texts about other things reach, too; None for a way to rank that has no such score.

        Raises UnknownCorpus, TowerError.
        """
        if encoder == WORDS or "text" not in self.choice(encoder).kinds:
            return None
        tower = self._towers.text(encoder)
        index = self._indexes.of(self._named(corpus), tower, scope, progress)
        return self._floors.of(index, partial(tower.encode, instruction=_instruction(tower.info)))

    def choices(self) -> tuple[RankerChoice, ...]:
        """Return the ways to rank, the default first."""
        return self._choices

    def choice(self, encoder: str) -> RankerChoice:
        """Return the way to rank of that name. Raises UnknownTower with the known ones."""
        return chosen(self._choices, encoder)

    def describe(self, encoder: str) -> str:
        """Return a ranker's name, precision and device, e.g. "pocket · bf16 · cpu"; loads the tower if needed."""
        choice = self.choice(encoder)
        if choice.name == WORDS:
            return f"{WORDS} · words only"
        reads_text = "text" in choice.kinds
        info = (self._towers.text(choice.name) if reads_text else self._towers.dual(choice.name).text).info
        return f"{info.name} · {info.precision} · {info.device}"

    def expand(self, text: str) -> Expansion:
        """Return the abbreviations of a text and what they mean in it."""
        check_text(text, self.settings.limits.query_characters)
        return self._expander.expand(text)

    def glossary(self) -> tuple[Entry, ...]:
        """Return every short form the product knows with all its readings, in alphabetical order."""
        return self._expander.glossary()

    def read_image(self, data: bytes) -> QueryImage:
        """Turn the bytes of a DICOM, PNG or JPEG into a query. Raises IntakeError."""
        return self._intake.read(data)

    def by_text(
        self,
        text: str,
        *,
        encoder: str,
        corpus: str | None = None,
        scope: Scope = "report",
        k: int = 10,
        filters: Filters = Filters(),  # noqa: B008 - frozen
        progress: Progress = silent,
    ) -> SearchResult:
        """Return the k studies whose text in `scope` is nearest to the text as typed.

        Raises:
            BadQuery: the text is empty, too long, or cannot be text; or the encoder is one for radiographs only.
            UnknownCorpus: no such corpus is prepared.
            TowerError: the encoder is unknown or cannot be loaded.
        """
        check_text(text, self.settings.limits.query_characters)
        self._check_reads(encoder, "text")
        query, store = Query(text=text), self._named(corpus)
        if self.choice(encoder).name == WORDS:
            return self._answering.by_words(Question(query, store, scope, k, filters))
        if encoder not in self._met:
            progress(f"Loading {encoder}", 0.0)
        tower = self._towers.text(encoder)
        self._met.add(encoder)
        index = self._indexes.of(store, tower, scope, progress)
        ranker = DenseRanker(store, index, lambda asked: tower.encode([asked.text or ""], _instruction(tower.info)))
        return self._answering.by_vectors(Question(query, store, scope, k, filters), [tower], ranker)

    def by_image(
        self,
        image: QueryImage,
        *,
        encoder: str,
        corpus: str | None = None,
        scope: Scope = "report",
        k: int = 10,
        filters: Filters = Filters(),  # noqa: B008 - frozen
        progress: Progress = silent,
    ) -> SearchResult:
        """Return the k studies whose text in `scope` is nearest to the film in the space both share.

        Raises:
            BadQuery: the encoder reads no images.
            UnknownCorpus: no such corpus is prepared.
            TowerError: the encoder is unknown or cannot be loaded.
        """
        self._check_reads(encoder, "image")
        store = self._named(corpus)
        dual = self._towers.dual(encoder)
        index = self._indexes.of(store, dual.text, scope, progress)
        ranker = DenseRanker(store, index, partial(film_vector, dual))
        asked = Question(Query(image=image), store, scope, k, filters)
        return cautioned(self._answering.by_vectors(asked, [dual.image], ranker), dual)

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
        filters: Filters = Filters(),  # noqa: B008 - frozen
        progress: Progress = silent,
    ) -> SearchResult:
        """Return the k studies nearest to a text and a film together, in the space both share.

        weight: of the film, 0–1. Reports lie closer to texts than to films, and less evenly; so each part is first
        divided by the spread of its scores over the corpus: at 0.5 both decide equally.

        Raises as `by_text` and `by_image` do.
        """
        check_text(text, self.settings.limits.query_characters)
        self._check_reads(encoder, "image")
        if not 0 <= weight <= 1:
            raise BadQuery("The weight of the film is a share between 0 and 1.")
        store, dual = self._named(corpus), self._towers.dual(encoder)
        index = self._indexes.of(store, dual.text, scope, progress)
        ranker = DenseRanker(store, index, partial(mixed_vector, dual, index))
        query = Query(text=text, image=image, weight=weight)
        asked = Question(query, store, scope, k, filters)
        return cautioned(self._answering.by_vectors(asked, [dual.text, dual.image], ranker), dual)

    def neighbours(
        self,
        study: str,
        *,
        encoder: str,
        corpus: str | None = None,
        scope: Scope = "report",
        k: int = 10,
        filters: Filters = Filters(),  # noqa: B008 - frozen
        progress: Progress = silent,
    ) -> SearchResult:
        """Return the k studies whose text in `scope` is nearest to that of a study, in the encoder's own space.

        Neither the study itself nor one with the very same text is among them.

        Raises:
            BadQuery: the corpus has no such study, or it has no text in this scope.
            UnknownCorpus: no such corpus is prepared.
            TowerError: the encoder is unknown or cannot be loaded.
        """
        store = self._named(corpus)
        store.get([study])
        asked = Question(Query(study=study), store, scope, k, filters)
        if self.choice(encoder).name == WORDS:
            return self._answering.by_words(asked)
        tower = self._text_towers(encoder)[0]
        index = self._indexes.of(store, tower, scope, progress)
        return self._answering.by_vectors(asked, [tower], DenseRanker(store, index, lambda _: index.vector_of(study)))

    def compare(
        self,
        text: str,
        *,
        encoders: Sequence[str],
        corpus: str | None = None,
        scope: Scope = "report",
        k: int = 10,
        filters: Filters = Filters(),  # noqa: B008 - frozen
        progress: Progress = silent,
    ) -> Comparison:
        """Return the answers of two to four rankers to one text, joined by study.

        Raises:
            BadQuery: the text cannot be searched, or there are not two to four different rankers that read texts.
            UnknownCorpus, TowerError: see `by_text`.
        """
        check_rankers(encoders)
        results = []
        for done, encoder in enumerate(encoders):

            def tell(what: str, share: float, done: int = done) -> None:
                progress(what, (done + share) / len(encoders))

            tell(f"Asking {encoder}", 0.0)
            results.append(
                self.by_text(text, encoder=encoder, corpus=corpus, scope=scope, k=k, filters=filters, progress=tell)
            )
        return compared(results)

    def tower(self, encoder: str) -> TextEncoder:
        """Return the tower that reads texts for a way to rank. Raises TowerError, BadQuery if words or films it is."""
        self._check_reads(encoder, "text")
        if encoder == WORDS:
            raise BadQuery("Words alone make no vectors. Choose an encoder.")
        return self._towers.text(encoder)

    def evidence(
        self,
        image: QueryImage,
        *,
        encoder: str,
        study: str = "",
        phrase: str = "",
        corpus: str | None = None,
        scope: Scope = "report",
        progress: Progress = silent,
    ) -> HeatMap:
        """Return what in a film speaks for the text of a study, or for a phrase, in the space both share.

        Raises:
            BadQuery: the encoder reads no images, or cannot tell places apart; no such study, or one without words in
                this scope; the phrase is empty, too long, or cannot be text.
            UnknownCorpus, TowerError: as `by_image`.
        """
        self._check_reads(encoder, "image")
        check_text(study or phrase, self.settings.limits.query_characters)
        store, dual = self._named(corpus), self._towers.dual(encoder)
        text = scope_text(store.get([study])[0].sections, scope) if study else phrase
        index = self._indexes.of(store, dual.text, scope, progress)
        return evidence_for(dual, index, image, text, study or phrase)

    def dual(self, encoder: str) -> Dual:
        """Return the two towers of a way to rank that share a space. Raises TowerError, BadQuery if it has none."""
        self._check_reads(encoder, "image")
        return self._towers.dual(encoder)

    def prepare(self, kind: Literal["text", "image"], progress: Progress = silent) -> None:
        """Load the default encoder, and make the vectors that queries of a kind need, if they are not there yet."""
        choice = self.choice(self.settings.encoder)
        if kind in choice.kinds and choice.name != WORDS:
            tower = self._towers.text(choice.name) if kind == "text" else self._towers.dual(choice.name).text
            self._indexes.of(self._store, tower, "report", progress)

    def rebuild(self, encoder: str, scope: Scope, progress: Progress = silent) -> None:
        """Make the vectors of an encoder and scope anew, whatever is on disk; nothing for words alone."""
        for tower in self._text_towers(encoder):
            self._indexes.rebuild(self._store, tower, scope, progress)

    def catch_up(self, encoder: str, scope: Scope, progress: Progress = silent) -> None:
        """Make the vectors that are missing since the corpus changed; a text that did not change keeps its own."""
        for tower in self._text_towers(encoder):
            self._indexes.of(self._store, tower, scope, progress)

    def close(self) -> None:
        """End the child process that decodes files, and forget the answers that were given."""
        self._answering.forget()
        self._intake.close()

    def store(self, corpus: str | None = None) -> ReportStore:
        """Return the reports of a corpus. Raises UnknownCorpus."""
        return self._named(corpus)

    def _named(self, corpus: str | None) -> ReportStore:
        if corpus is None:
            return self._store
        if corpus not in self._stores:
            raise UnknownCorpus(f"There is no corpus {corpus!r}. Prepared: {', '.join(self._stores)}.")
        return self._stores[corpus]

    def _text_towers(self, encoder: str) -> list[TextEncoder]:
        """Return the towers that read reports for a way to rank: one for each space it searches."""
        choice = self.choice(encoder)
        if choice.name == WORDS:
            return []
        texts = [self._towers.text(choice.name)] if "text" in choice.kinds else []
        return [*texts, self._towers.dual(choice.name).text] if "image" in choice.kinds else texts

    def _check_reads(self, encoder: str, kind: Literal["text", "image"]) -> None:
        if kind not in self.choice(encoder).kinds:
            what = "texts" if kind == "text" else "radiographs"
            able = ", ".join(choice.name for choice in self._choices if kind in choice.kinds)
            raise BadQuery(f"The encoder {encoder} reads no {what}. Choose one that does: {able}.")


def _instruction(info: EncoderInfo) -> str:
    """Return what a query carries."""
    return SEARCH_INSTRUCTION if info.instructed else ""
