"""Comparisons to HTML: a column a ranker, lines between equal studies, overlaps, a set of queries as a table.

Every text passes `escape`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from explorer.compare import Account, Asked, Comparison, Joined, Moved
from explorer.metrics.overlap import PERSISTENCE
from explorer.review.selection import MOST_CASES
from explorer.types import Finding, Hit, Report, SearchResult
from explorer.ui.render import MAIN_SECTIONS, SCOPE_WORDS, SCORE_WORDS, VERDICT_SIGNS, escape, redact

COLUMN, GUTTER = 6.0, 1.0  # widths in proportion, for lines that pass behind a column
TEASER = 220  # characters of a report in its card; its whole text opens below
MEASURE = (
    f"Rank-biased overlap (p = {PERSISTENCE}): 1 where two rankings are the same, 0 where they share nothing; "
    "the first ranks count most. Disagreement is 1 − the mean overlap of every two rankers."
)


@dataclass(frozen=True)
class Forms:
    """A query in the form as typed and, if that holds short forms, spelled out; compared in each."""

    typed: Comparison
    long: Comparison | None
    across: tuple[Moved, ...]  # for each ranker, between the two forms; () if there is only one
    described: tuple[str, ...]  # each ranker with precision and device, e.g. "pocket · bf16 · cpu"

    @property
    def both(self) -> tuple[tuple[str, str, Comparison], ...]:
        """Return name, words and comparison of each form."""
        typed = ("typed", "as typed", self.typed)
        return (typed,) if self.long is None else (typed, ("long", "long form", self.long))


@dataclass(frozen=True)
class Judged:
    """One query of a set, and how much its rankers disagree."""

    query: str
    disagreement: float  # 0–1
    accounts: tuple[Account, ...]  # one a ranker


def welcome() -> str:
    """Return what stands in the answer's place before anything was asked."""
    return (
        '<div class="empty"><p>Ask two to four rankers the same, and see where they part.</p>'
        "<p>Equal studies are joined by lines. Above each column: how often a finding of the query was kept, lost, "
        "or another one invented.</p><dl><dt><kbd>/</kbd></dt><dd>to the query</dd>"
        "<dt><kbd>↑</kbd> <kbd>↓</kbd> <kbd>←</kbd> <kbd>→</kbd></dt><dd>among the studies</dd>"
        "<dt><kbd>Enter</kbd> <kbd>Esc</kbd></dt><dd>open a study, close it</dd></dl></div>"
    )


def summary(forms: Forms, seconds: float) -> str:
    """Return the status line above a comparison."""
    first = forms.typed.results[0]
    rankers = len(forms.typed.results)
    found = max(len(result.hits) for result in forms.typed.results)
    parts = (
        f"<strong>{rankers}</strong> rankers, top {found}",
        f"disagreement <strong>{forms.typed.disagreement:.2f}</strong>"
        + (f" as typed, <strong>{forms.long.disagreement:.2f}</strong> spelled out" if forms.long else ""),
        SCOPE_WORDS[first.scope],
        escape(first.corpus),
        f"{seconds:.2f} s",
    )
    return f'<p class="status" role="status">{" · ".join(parts)}</p>'


def answer(forms: Forms) -> str:
    """Return a comparison: overlaps, the columns of each form, and every study in full, opened one at a time."""
    sections = "".join(_form(forms, *form) for form in forms.both)
    return f'<div class="head">{_switch(forms)}<div>{_overlaps(forms)}</div></div>{sections}{_sheet(forms)}'


def _switch(forms: Forms) -> str:
    if forms.long is None:
        return '<p class="forms">No short form in the query: nothing to spell out.</p>'
    buttons = "".join(
        f'<button type="button" class="plain" data-form="{name}" aria-pressed="{"false" if number else "true"}">'
        f"{words}</button>"
        for number, (name, words, _) in enumerate(forms.both)
    )
    long = forms.long.results[0].query.text or ""
    return (
        f'<div class="forms" role="group" aria-label="Form of the query">{buttons}'
        f'<span class="spelled">{redact(long)}</span></div>'
    )


def _overlaps(forms: Forms) -> str:
    names = [result.encoder for result in forms.typed.results]
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names[1:])
    heads += '<th scope="col" class="across">short ↔ long form</th>' if forms.across else ""
    rows = "".join(_overlap_row(forms, row, names) for row in range(len(names) - (0 if forms.across else 1)))
    note = escape(MEASURE)
    return (
        '<div class="wide"><table class="overlaps"><caption>Overlap of the rankers</caption>'
        f'<thead><tr><th scope="col"></th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="about">{note}</p>'
    )


def _overlap_row(forms: Forms, row: int, names: Sequence[str]) -> str:
    cells = "".join(
        f"<td>{_overlap_of(forms, row, column)}</td>" if column > row else '<td class="none"></td>'
        for column in range(1, len(names))
    )
    cells += f'<td class="across">{across(forms.across[row])}</td>' if forms.across else ""
    return f'<tr><th scope="row">{escape(names[row])}</th>{cells}</tr>'


def _overlap_of(forms: Forms, row: int, column: int) -> str:
    return "".join(
        f'<span data-shown="{name}"{"" if name == "typed" else " hidden"}>'
        f"<b>{comparison.overlap(row, column):.2f}</b> "
        f"<small>{comparison.shared(row, column)} shared</small></span>"
        for name, _, comparison in forms.both
    )


def across(moved: Moved) -> str:
    """Return how far an answer moves between two forms of its query: overlap, and how many studies stay."""
    return f"<b>{moved.overlap:.2f}</b> <small>{moved.stay} of {moved.of} stay</small>"


def _form(forms: Forms, name: str, words: str, comparison: Comparison) -> str:
    columns = "".join(_column(comparison, number, known) for number, known in enumerate(forms.described))
    hidden = "" if name == "typed" else " hidden"
    return (
        f'<section class="columns" data-shown="{name}" aria-label="answers to the query {words}" '
        f'style="--columns: {len(comparison.results)}"{hidden}>{columns}</section>'
    )


def _column(comparison: Comparison, number: int, described: str) -> str:
    result, account = comparison.results[number], comparison.accounts[number]
    score = SCORE_WORDS.get(result.score_name, (result.score_name, 2))[0]
    facts = [score, *described.split(" · ")[1:]]
    title = f"<h3>{escape(result.encoder)}</h3><p>{escape(' · '.join(facts))}</p>"
    return (
        f'<div class="column"><header>{title}</header>{_counts(account, len(result.hits))}'
        f'<div class="ranked">{lines(comparison, number) if number else ""}{cards(comparison, number)}</div></div>'
    )


def _counts(account: Account, hits: int) -> str:
    """Three counts; the line below names the findings of the one under the pointer or the focus."""
    asked = len(account.asked)
    rest = f"of {asked * hits}: {_many(asked, 'finding')} asked × {_many(hits, 'report')}"
    if not asked:
        rest = "no finding was recognised in the query" if hits else "no report answers"
    counts = (
        ("agrees", "✓", "kept", account.kept, _named(account.asked, "kept", hits)),
        ("contradicts", "✗", "lost", account.lost, _named(account.asked, "lost", hits)),
        ("invented", "+", "invented", account.invented, _others(account, hits)),
    )
    items = "".join(
        f'<li class="{look}" tabindex="0" aria-label="{escape(f"{count} {word}: {names}")}" '
        f'data-says="{escape(names)}"><span class="sign" aria-hidden="true">{sign}</span> <b>{count}</b> {word}</li>'
        for look, sign, word, count, names in counts
    )
    doubt = f" · ? {account.uncertain} uncertain" if account.uncertain else ""
    line = escape(rest + doubt)
    return f'<ul class="counts" aria-label="findings">{items}</ul><p class="says" data-rest="{line}">{line}</p>'


def _named(asked: Iterable[Asked], how: str, hits: int) -> str:
    parts = [f"{finding_words(one.finding)} {getattr(one, how)}" for one in asked if getattr(one, how)]
    return f"{', '.join(parts)} (of {_many(hits, 'report')})" if parts else "none"


def _others(account: Account, hits: int) -> str:
    parts = [f"{name.lower()} {count}" for name, count in account.others]
    return f"{', '.join(parts)} (of {_many(hits, 'report')})" if parts else "none"


def finding_words(finding: Finding) -> str:
    """Return a finding as words, such as "no left pleural effusion"."""
    words = (finding.severity, finding.laterality, finding.name.lower())
    return ("no " if finding.status == "absent" else "") + " ".join(word for word in words if word)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def cards(comparison: Comparison, column: int) -> str:
    """Return the studies of one answer, best first; each carries the number of its study in `studies`."""
    result = comparison.results[column]
    if not result.hits:
        return '<p class="empty">No report answers.</p>'
    at = {study.ranks[column]: number for number, study in enumerate(comparison.studies)}
    items = "".join(_card(comparison, column, hit, at[hit.rank]) for hit in result.hits)
    return f'<ol class="cards">{items}</ol>'


def _card(comparison: Comparison, column: int, hit: Hit, study: int) -> str:
    result = comparison.results[column]
    shared = " shared" if comparison.studies[study].found_by > 1 else ""
    twins = f" <small>×{len(hit.identical) + 1}</small>" if hit.identical else ""
    return (
        f'<li class="card{shared}" tabindex="{-1 if column or hit.rank > 1 else 0}" role="button" data-study="{study}" '
        f'aria-label="{escape(_spoken(comparison, column, hit, study))}"><div class="place">'
        f'<span class="rank">{hit.rank}</span><span class="id">{escape(hit.report.id)}{twins}</span>'
        f'{_signs(hit)}<span class="score">{_score(hit, result)}</span></div>'
        f'<p class="teaser">{redact(teaser(hit.report))}</p></li>'
    )


def _spoken(comparison: Comparison, column: int, hit: Hit, study: int) -> str:
    elsewhere = _places(comparison, comparison.studies[study], but=column)
    marks = ", ".join(f"{finding_words(one.asked)} {one.verdict}" for one in hit.agreement)
    parts = [f"rank {hit.rank}, {hit.report.id}", elsewhere or "in no other column", marks]
    return "; ".join(filter(None, parts))


def _places(comparison: Comparison, study: Joined, but: int = -1) -> str:
    found = [
        f"rank {rank} in {result.encoder}"
        for number, (rank, result) in enumerate(zip(study.ranks, comparison.results, strict=True))
        if rank is not None and number != but
    ]
    return ", ".join(found)


def _score(hit: Hit, result: SearchResult) -> str:
    digits = SCORE_WORDS.get(result.score_name, (result.score_name, 2))[1]
    return f"{hit.score:.{digits}f}"


def _signs(hit: Hit) -> str:
    marks = "".join(
        f'<span class="{one.verdict.replace(" ", "-")}" title="{escape(f"{finding_words(one.asked)}: {one.verdict}")}">'
        f"{VERDICT_SIGNS[one.verdict]}</span>"
        for one in hit.agreement
    )
    return f'<span class="signs" aria-hidden="true">{marks}</span>'


def teaser(report: Report) -> str:
    """Return the beginning of what a report concludes, or of its findings if it concludes nothing."""
    texts = [report.sections.get(name, "").strip() for name in reversed(MAIN_SECTIONS)]
    text = next(filter(None, texts), "")
    return text if len(text) <= TEASER else f"{text[:TEASER].rsplit(' ', 1)[0]} …"


def lines(comparison: Comparison, column: int) -> str:
    """Return the lines in the gutter before a column: one for each study that lies on both sides of it.

    The unit is a row: rank 1 lies at 0.5. A line between columns that are not neighbours passes behind those
    between them.
    """
    rows = max((len(result.hits) for result in comparison.results), default=0)
    drawn = "".join(
        f'<line data-study="{number}" x1="0" y1="{ends[0]:.3f}" x2="1" y2="{ends[1]:.3f}"/>'
        for number, study in enumerate(comparison.studies)
        if (ends := _crossing(study.ranks, column)) is not None
    )
    return (
        f'<svg class="lines" viewBox="0 0 1 {rows}" preserveAspectRatio="none" aria-hidden="true" '
        f'style="--rows: {rows}">{drawn}</svg>'
    )


def _crossing(ranks: Sequence[int | None], column: int) -> tuple[float, float] | None:
    """Return where a study's line enters and leaves the gutter before a column; None if it has none there."""
    placed = [(number, rank - 0.5) for number, rank in enumerate(ranks) if rank is not None]
    for (left, start), (right, end) in pairwise(placed):
        if left < column <= right:
            before = (column - 1 - left) * (COLUMN + GUTTER)
            length = (right - left - 1) * (COLUMN + GUTTER) + GUTTER
            slope = (end - start) / length
            return start + slope * before, start + slope * (before + GUTTER)
    return None


def _sheet(forms: Forms) -> str:
    articles = "".join(
        _article(name, comparison, number, study)
        for name, _, comparison in forms.both
        for number, study in enumerate(comparison.studies)
    )
    return sheet(articles)


def sheet(articles: str) -> str:
    """Return the place at the bottom where one study of many opens in full."""
    return (
        '<aside class="sheet" aria-label="the study in full" tabindex="-1" hidden>'
        '<button type="button" class="plain" data-close aria-label="Close">close <kbd>Esc</kbd></button>'
        f"{articles}</aside>"
    )


def _article(name: str, comparison: Comparison, number: int, study: Joined) -> str:
    column = next(column for column, rank in enumerate(study.ranks) if rank is not None)
    hit = next(hit for hit in comparison.results[column].hits if hit.rank == study.ranks[column])
    return article(f"{name} {number}", hit, _places(comparison, study))


def article(key: str, hit: Hit, places: str) -> str:
    """Return a study in full with its marks; the page finds it by its key."""
    report = hit.report
    marks = "".join(
        f'<li class="{one.verdict.replace(" ", "-")}"><span class="sign">{VERDICT_SIGNS[one.verdict]}</span> '
        f"{escape(finding_words(one.asked))}: {one.verdict}</li>"
        for one in hit.agreement
    )
    twins = f" · {len(hit.identical) + 1} studies with identical texts" if hit.identical else ""
    sections = "".join(
        f"<section><h4>{escape(section)}</h4><p>{redact(text)}</p></section>"
        for section, text in report.sections.items()
        if text.strip()
    )
    return (
        f'<article data-key="{escape(key)}" hidden><header><h3>{escape(report.id)}</h3>'
        f"<p>{escape(places)}{twins} · {escape(report.licence)}</p></header>"
        f'<ul class="marks">{marks}</ul>{sections}</article>'
    )


def judged(rows: Sequence[Judged], rankers: Sequence[str], k: int, total: int) -> str:
    """Return a set of queries as a table; a row opens its query.

    Args:
        rows: in the order in which they are shown, those first on which the rankers disagree most.
        rankers: by name.
        k: hits of each ranker.
        total: queries of the set, answered or not.
    """
    heads = "".join(f'<th scope="col">{escape(name)}<small>kept</small></th>' for name in rankers)
    body = "".join(_judged(number, row) for number, row in enumerate(rows))
    of = f"{len(rows)} of {total}" if len(rows) < total else f"{total}"
    mean = sum(row.disagreement for row in rows) / len(rows)
    return (
        f'<p class="about">{of} {"query" if total == 1 else "queries"}, those first on which the rankers disagree '
        f"most; mean disagreement {mean:.2f}. Kept: the share of the query’s findings that the hits agree with.</p>"
        f"{_to_review(rows, rankers, k)}"
        '<div class="wide"><table class="set" aria-label="the set by disagreement"><thead><tr>'
        '<th scope="col" class="query">Query</th><th scope="col">disagreement</th>'
        f"{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _to_review(rows: Sequence[Judged], rankers: Sequence[str], k: int) -> str:
    """The button that brings the set to Review, as much of it as one review holds."""
    sent = [row.query for row in rows[:MOST_CASES]]
    words = "Review this set" if len(sent) == len(rows) else f"Review the {len(sent)} most disputed"
    brought = escape(json.dumps({"queries": sent, "rankers": list(rankers), "k": k}))
    return f'<button type="button" class="plain send" data-review="{brought}">{words} →</button>'


def _judged(number: int, row: Judged) -> str:
    kept = "".join(f"<td>{_share(account)}</td>" for account in row.accounts)
    share = f"{row.disagreement:.3f}"
    return (
        f'<tr><th scope="row" class="query"><button type="button" data-row="{number}" '
        f'tabindex="{-1 if number else 0}" title="open it above">{escape(row.query)}</button></th>'
        f'<td class="far"><b>{row.disagreement:.2f}</b><meter min="0" max="1" value="{share}" aria-hidden="true">'
        f"</meter></td>{kept}</tr>"
    )


def _share(account: Account) -> str:
    told = account.kept + account.lost + account.uncertain
    return f"{account.kept / told:.0%}" if told else "–"
