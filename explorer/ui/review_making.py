"""What a person who runs reviews can do beside reviewing: make one, ask judges. The long work of the Review page."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import BadReview
from explorer.language.findings import DEVICES, FindingsReader
from explorer.language.labels import CHEXPERT, NO_FINDING
from explorer.progress import Progress
from explorer.review.generated import read_generated
from explorer.review.llm_judge import FOLDER, Judged, LlmJudge, endpoint, forget_answers
from explorer.review.making import NO_IMPORT, SPARE, Plan, Sources, finder, make, of_queries, of_studies
from explorer.review.records import Case
from explorer.review.selection import MOST_CASES, Wanted, pool_of, select
from explorer.review.store import ReviewStore
from explorer.types import SCOPES, Scope
from explorer.ui import render, review_html
from explorer.ui.held import Held
from explorer.ui.lab import LabDesk
from explorer.ui.render import escape
from explorer.ui.work import watch

if TYPE_CHECKING:
    from explorer.search import Explorer

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
        encoders = [(one.name, one.label) for one in self._explorer.choices() if "text" in one.kinds]
        return review_html.new_review(corpora, encoders, FINDINGS, asked)

    def judges(self, review: str) -> str:
        """Return the section that asks judges."""
        kept = len(list((self._data / FOLDER).glob("*.json")))
        return judges(review, kept)

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
        cases, about, corpus = (
            self._queries(fields, brought, progress) if brought else self._studies(message, fields, seed, progress)
        )
        plan = Plan(str(fields.get("title", "")), corpus, seed, bool(fields.get("unknown")), about)
        store.create(*make(plan, cases))
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
        imported = NO_IMPORT
        if text := "".join(self.held.texts(message.get("generated"))):
            source = corpus if corpus != "table" else ""
            every = {report.id for report in self._explorer.reports(corpus)}
            imported = read_generated(text.encode(errors="replace"), every, source)
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

    def _chosen(self, fields: Message) -> tuple[str, ...]:
        given = fields.get("encoder", ())
        names = [str(one) for one in given] if isinstance(given, list) else []
        for name in names:
            self._explorer.choice(name)
        return tuple(dict.fromkeys(names))

    def _ask(self, store: ReviewStore, message: Message, progress: Progress) -> Done:
        fields = message.get("fields")
        if not isinstance(fields, Mapping):
            raise BadReview("The page sent something that cannot be read. Reload it.")
        review = str(message.get("review"))
        words = [str(fields.get(name, "")).strip() for name in ("url", "model", "key")]
        judge = LlmJudge.open(endpoint(*words, confirmed=bool(fields.get("confirmed"))), self._data)
        found = judge.judge(store.cases(review), progress)
        store.judge(review, found.ballots, found.notes)
        store.note(review, judge.name, _asked(found))
        return Done(review, _asked(found))


def judges(review: str, kept: int) -> str:
    """Return the section that asks judges about a review."""
    key = f'data-review="{escape(review)}"'
    return (
        '<section class="judges"><h2>Judges</h2>'
        '<p class="about">The rule judge compares finding, location, severity and status as this product\'s rules read '
        "them. It is not a language model, and sees nothing the rules do not know.</p>"
        f'<div class="does start"><button type="button" class="go" data-do="rules" {key}>Ask the rule judge</button>'
        "</div>"
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
        f'<p class="about">Answers are kept under data folder / {FOLDER}, so that nothing is sent twice: {kept} now. '
        f'<button type="button" class="plain" data-do="forget-answers" {key}>Delete them</button></p></section>'
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


def _rule(wanted: Wanted, pool: int, normal: int, left_out: int, drawn: int) -> str:
    """Return in words how the cases were chosen."""
    only = [wanted.finding, wanted.view and f"view {wanted.view}"]
    if wanted.min_age is not None or wanted.max_age is not None:
        only.append(f"age {wanted.min_age or 0} to {'any' if wanted.max_age is None else wanted.max_age}")
    told = ", ".join(word for word in only if word)
    halved = f", {left_out} of {normal} normals left out" if wanted.halve_normals else ""
    return f"{drawn} drawn of {pool:,} studies{f' ({told})' if told else ''}{halved}; asked with {wanted.asked}"


def _scope(fields: Message) -> Scope:
    asked = fields.get("asked")
    for scope in SCOPES:
        if scope == asked:
            return scope
    raise BadReview("Choose which part of a study the encoders are asked with.")


def _whole(fields: Message, name: str, least: int, most: int) -> int:
    try:
        value = int(str(fields.get(name, "")).strip())
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise BadReview(f"Give a whole number from {least} to {most:,} for {name!r}.")
    return value
