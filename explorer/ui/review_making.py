"""What a person who runs reviews can do beside reviewing: make one, ask judges. The long work of the Review page."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from explorer.corpora.openi import NAME as OPENI
from explorer.corpora.split import Split
from explorer.errors import BadReview, IntakeError
from explorer.films import film_corpora, frontal_films
from explorer.language.findings import DEVICES, FindingsReader
from explorer.language.labels import CHEXPERT, NO_FINDING
from explorer.preparing import opened
from explorer.progress import Progress
from explorer.review.generated import Imported, read_generated
from explorer.review.llm_judge import FOLDER, Judged, LlmJudge, endpoint, forget_answers
from explorer.review.making import (
    NO_IMPORT,
    SPARE,
    Plan,
    Sources,
    film_finder,
    finder,
    make,
    of_films,
    of_queries,
    of_studies,
)
from explorer.review.records import Case
from explorer.review.selection import MOST_CASES, MOST_FILMS, Wanted, pool_of, select
from explorer.review.store import ReviewStore
from explorer.types import SCOPES, QueryImage, Report, Scope
from explorer.ui import render, review_html
from explorer.ui.film import view
from explorer.ui.film_html import as_kept
from explorer.ui.held import Held
from explorer.ui.lab import LabDesk
from explorer.ui.render import escape
from explorer.ui.work import watch

if TYPE_CHECKING:
    from explorer.search import Explorer

TRAINED_ON = (OPENI, "nih-cxr14")  # towers may know their other splits: films for cases come from the test split
NO_MODEL = (
    "This app is reached from other machines, so no language model is asked from it. Whoever runs it can start it for "
    "this machine alone and ask there."
)
NAMED = 20  # unknown studies of an import that are named; more are counted

Message = Mapping[str, Any]
Show = Callable[[str], Any]  # a line of HTML → what the page shows of it
FINDINGS = tuple(name for name in CHEXPERT if name != NO_FINDING and name not in DEVICES)


@dataclass(frozen=True)
class Done:
    """What came of long work."""

    review: str  # whose results are to be shown; "" for the list of reviews
    said: str  # a line for the page, "" for none
    screen: str = ""  # what is to be shown instead of either


class Maker:
    """Makes reviews from an engine, and asks judges about them."""

    def __init__(self, explorer: Explorer, data: Path) -> None:
        self._explorer = explorer
        self._data = data
        self.lab = LabDesk(explorer)
        self.held = Held()

    def form(self, asked: Message) -> str:
        """Return the form for a new review; `asked` brings queries, rankers and k from elsewhere, {} for none."""
        corpora = [(one.name, one.title) for one in self._explorer.corpora()]
        films = [(one.name, one.title) for one in film_corpora(self._explorer.settings)]
        encoders = [(one.name, one.label, one.kinds) for one in self._explorer.choices()]
        return review_html.new_review(corpora, films, encoders, FINDINGS, asked)

    def judges(self, review: str) -> str:
        """Return the section that asks judges."""
        kept = len(list((self._data / FOLDER).glob("*.json")))
        return judges(review, kept, model=not self._explorer.settings.shared)

    def work(self, store: ReviewStore, message: Message, show: Show) -> Generator[Any, None, Done]:
        """Do what a message asks for, and return what came of it.

        Yields lines on how far it is. Raises CxrError if it cannot be done; nothing is half-made then.
        """
        acts = {"make": self._make, "ask": self._ask, "lab": self._ask_lab}
        act = acts.get(str(message.get("act")))
        if act is None:
            raise BadReview("The page sent something that cannot be read. Reload it.")

        def step(what: str, share: float) -> Any:  # noqa: ANN401 - whatever `show` makes of it
            return show(render.busy(what, share))

        return (yield from watch(partial(act, store, message), step))

    def forget(self) -> int:
        """Delete the kept answers of language models."""
        return forget_answers(self._data)

    def _ask_lab(self, _: ReviewStore, message: Message, progress: Progress) -> Done:
        fields = message.get("fields")
        if not isinstance(fields, Mapping):
            raise BadReview("The page sent something that cannot be read. Reload it.")
        how = self.lab.strip if fields.get("how") == "strip" else self.lab.margins
        return Done("", "", how(fields, progress))

    def _make(self, store: ReviewStore, message: Message, progress: Progress) -> Done:
        fields = message.get("fields")
        if not isinstance(fields, Mapping):
            raise BadReview("The page sent something that cannot be read. Reload it.")
        seed = _whole(fields, "seed", 0, 999_999_999)
        brought = self.held.texts(message.get("brought"))
        films: dict[str, bytes] = {}
        if brought:
            cases, about, corpus = self._queries(fields, brought, progress)
        elif fields.get("asked") == review_html.FILM:
            cases, about, corpus = self._films(message, fields, seed, films, progress)
        else:
            cases, about, corpus = self._studies(message, fields, seed, progress)
        plan = Plan(str(fields.get("title", "")), corpus, seed, bool(fields.get("unknown")), about)
        store.create(*make(plan, cases), films)
        return Done("", _not_there(about.get("unknown_studies", ())))

    def _queries(
        self, fields: Message, brought: Sequence[str], progress: Progress
    ) -> tuple[Sequence[Case], dict[str, Any], str]:
        queries = [one[: self._explorer.settings.limits.query_characters] for one in brought]
        if not 1 <= len(queries) <= MOST_CASES:
            raise BadReview(f"Bring 1 to {MOST_CASES} queries.")
        rankers, corpus = self._chosen(fields), self._explorer.corpus.name
        sources = Sources(rankers, first=(first := _whole(fields, "first", 1, review_html.MOST_HITS)))
        cases = list(of_queries(queries, sources, finder(self._explorer, corpus, "report", first + SPARE), progress))
        return cases, {"rule": f"{len(queries)} queries from Compare", "rankers": list(rankers)}, corpus

    def _studies(
        self, message: Message, fields: Message, seed: int, progress: Progress
    ) -> tuple[Sequence[Case], dict[str, Any], str]:
        corpus, asked = str(fields.get("corpus") or self._explorer.corpus.name), _scope(fields)
        progress("Reading the studies", 0.0)
        pool = pool_of(self._explorer.reports(corpus), corpus, asked)
        imported = self._imported(message, corpus, {report.id for report in self._explorer.reports(corpus)})
        if imported.rows:
            there = {row.study for row in imported.rows}
            pool = tuple(report for report in self._explorer.reports(corpus) if report.id in there)
        sources = Sources(self._chosen(fields), imported)
        sources.check()
        wanted = _wanted(fields, seed, asked)
        found = select(pool, wanted, FindingsReader.open())
        if not found.reports:
            raise BadReview("No study fits. Widen the filter, or import reports of studies that are in the corpus.")
        cases = list(
            of_studies(found.reports, asked, sources, finder(self._explorer, corpus, asked, 1 + SPARE), progress)
        )
        about = {
            "rule": _rule(wanted, found.pool, found.normal, found.left_out, len(found.reports)),
            "rankers": list(sources.rankers),
            "generators": list(imported.models),
            "unknown_studies": list(imported.unknown),
        }
        return cases, about, corpus

    def _films(
        self, message: Message, fields: Message, seed: int, kept: dict[str, bytes], progress: Progress
    ) -> tuple[Sequence[Case], dict[str, Any], str]:
        """Cases whose query is a film; `kept` gets each film as it is shown."""
        corpus, source = str(fields.get("corpus") or self._explorer.corpus.name), str(fields.get("films"))
        progress("Looking for films", 0.0)
        shelf = FilmShelf(self._explorer, source)
        imported = self._imported(message, source, shelf.studies)
        sources = Sources(
            self._chosen(fields, "image"), imported, first=_whole(fields, "first", 1, review_html.MOST_HITS)
        )
        sources.check()
        wanted = replace(_wanted(fields, seed, "report"), count=_whole(fields, "count", 1, MOST_FILMS))
        only = {row.study for row in imported.rows}
        found = select(shelf.reports(only or shelf.studies), wanted, FindingsReader.open())
        if not found.reports:
            raise BadReview("No film fits. Widen the filter, or choose a corpus with films on this machine.")
        find = film_finder(self._explorer, corpus, sources.first + SPARE)
        cases = list(of_films(shelf.read(found.reports, kept, progress), sources, find))
        about = {
            "rule": _rule(wanted, found.pool, found.normal, found.left_out, len(cases), f"films of {source}"),
            "rankers": list(sources.rankers),
            "generators": list(imported.models),
            "unknown_studies": list(imported.unknown),
            "unread_films": len(found.reports) - len(cases),
        }
        return cases, about, corpus

    def _imported(self, message: Message, corpus: str, known: Set[str]) -> Imported:
        """Return the generated reports of a message, as far as they are of known studies."""
        text = "".join(self.held.texts(message.get("generated")))
        source = corpus if corpus != "table" else ""
        return read_generated(text.encode(errors="replace"), known, source) if text else NO_IMPORT

    def _chosen(self, fields: Message, kind: Literal["text", "image"] = "text") -> tuple[str, ...]:
        """Return those of the chosen encoders that read such queries. Raises UnknownTower."""
        given = fields.get("encoder", ())
        names = dict.fromkeys(str(one) for one in given) if isinstance(given, list) else ()
        return tuple(name for name in names if kind in self._explorer.choice(name).kinds)

    def _ask(self, store: ReviewStore, message: Message, progress: Progress) -> Done:
        fields = message.get("fields")
        if not isinstance(fields, Mapping):
            raise BadReview("The page sent something that cannot be read. Reload it.")
        if self._explorer.settings.shared:
            raise BadReview(NO_MODEL)
        review = str(message.get("review"))
        words = [str(fields.get(name, "")).strip() for name in ("url", "model", "key")]
        judge = LlmJudge.open(endpoint(*words, confirmed=bool(fields.get("confirmed"))), self._data)
        found = judge.judge(store.cases(review), progress)
        store.judge(review, found.ballots, found.notes)
        store.note(review, judge.name, _asked(found))
        return Done(review, _asked(found))


class FilmShelf:
    """The frontal films of one prepared corpus that lie on this machine, one a study."""

    def __init__(self, explorer: Explorer, corpus: str) -> None:
        self._explorer = explorer
        self._corpus = corpus
        split: Split | None = "test" if corpus in TRAINED_ON else None
        self._files = dict(reversed(frontal_films(explorer.settings, corpus, split)))  # the first of a study stays

    @property
    def studies(self) -> Set[str]:
        """Return the studies that have a film."""
        return self._files.keys()

    def reports(self, wanted: Set[str]) -> tuple[Report, ...]:
        """Return what is known of those of these studies that have a film. Raises CorpusError, StoreError."""
        store = opened(self._explorer.settings, self._corpus)
        found = tuple(report for report in store.reports() if report.id in wanted & self.studies)
        store.close()
        return found

    def read(
        self, reports: Sequence[Report], kept: dict[str, bytes], progress: Progress
    ) -> Iterator[tuple[Report, QueryImage]]:
        """Yield the film of each study, and keep how it is shown; one that cannot be read is passed over."""
        for number, report in enumerate(reports):
            progress("Asking the encoders with films", number / len(reports))
            try:
                image = self._explorer.read_image(self._files[report.id].read_bytes())
            except (OSError, IntakeError):
                continue
            kept[image.digest] = as_kept(view(image), image.notes)
            yield report, image


def judges(review: str, kept: int, *, model: bool) -> str:
    """Return the section that asks judges about a review; `model` says whether a language model can be among them."""
    key = f'data-review="{escape(review)}"'
    asked = _model_form(key) if model else f'<p class="about">{NO_MODEL}</p>'
    return (
        '<section class="judges"><h2>Judges</h2>'
        '<p class="about">The rule judge compares finding, location, severity and status as this product\'s rules read '
        "them. It is not a language model, and sees nothing the rules do not know.</p>"
        f'<div class="does start"><button type="button" class="go" data-do="rules" {key}>Ask the rule judge</button>'
        f"</div>{asked}"
        f'<p class="about">Answers are kept under data folder / {FOLDER}, so that nothing is sent twice: {kept} now. '
        f'<button type="button" class="plain" data-do="forget-answers" {key}>Delete them</button></p></section>'
    )


def _model_form(key: str) -> str:
    return (
        '<p class="about">A language model behind an OpenAI-compatible endpoint. Off until you name one. It gets the '
        "texts of ground truth and candidates, in the order shown, and nothing else: no study, no model, no reviewer. "
        "Nothing is asked for further on this machine; another machine needs your word below. The key is not kept.</p>"
        f'<form data-form="ask" {key}><div class="row"><label>Endpoint <input name="url" type="text" required '
        'placeholder="http://127.0.0.1:8000/v1" autocomplete="off"></label><label>Model <input name="model" '
        'type="text" required autocomplete="off"></label>'
        '<label>Key, if any <input name="key" type="password" autocomplete="off">'
        '</label></div><label class="tick"><input type="checkbox" name="confirmed"> If that is another machine: the '
        "reports of this review may leave this one and go there</label>"
        '<div class="row"><button type="submit" class="go">Ask the model</button>'
        '<button type="button" class="plain" data-do="stop" hidden>Stop</button></div></form>'
    )


def _not_there(studies: Sequence[str]) -> str:
    """Return in a line which studies of an import the corpus does not have, "" for none."""
    if not studies:
        return ""
    more = f" and {len(studies) - NAMED} more" if len(studies) > NAMED else ""
    return f"Not in the corpus, and left out: {', '.join(studies[:NAMED])}{more}."


def _asked(found: Judged) -> str:
    unusable = f", {len(found.unusable)} without a usable answer" if found.unusable else ""
    return f"asked about {found.asked} cases, {found.repeated} answers asked for again{unusable}"


def _wanted(fields: Message, seed: int, asked: Scope) -> Wanted:
    return Wanted(
        _whole(fields, "count", 1, MOST_CASES),
        seed,
        asked,
        bool(fields.get("halve")),
        str(fields.get("finding", "")),
        str(fields.get("view", "")),
        _whole(fields, "youngest", 0, 150) if fields.get("youngest") else None,
        _whole(fields, "oldest", 0, 150) if fields.get("oldest") else None,
    )


def _rule(wanted: Wanted, pool: int, normal: int, left_out: int, drawn: int, asked: str = "") -> str:
    """Return in words how the cases were chosen."""
    only = [wanted.finding, wanted.view and f"view {wanted.view}"]
    if wanted.min_age is not None or wanted.max_age is not None:
        only.append(f"age {wanted.min_age or 0} to {'any' if wanted.max_age is None else wanted.max_age}")
    told = ", ".join(word for word in only if word)
    halved = f", {left_out} of {normal} normals left out" if wanted.halve_normals else ""
    return (
        f"{drawn} drawn of {pool:,} studies{f' ({told})' if told else ''}{halved}; asked with {asked or wanted.asked}"
    )


def _scope(fields: Message) -> Scope:
    asked = fields.get("asked")
    for scope in SCOPES:
        if scope == asked:
            return scope
    raise BadReview("Choose what the encoders are asked with.")


def _whole(fields: Message, name: str, least: int, most: int) -> int:
    try:
        value = int(str(fields.get(name, "")).strip())
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise BadReview(f"Give a whole number from {least} to {most:,} for {name!r}.")
    return value
