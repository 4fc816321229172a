"""An answer as cards: each hit with its score, its findings against those asked for, and its text with them marked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from explorer import export
from explorer.language.agreement import agreements
from explorer.nearness import PERCENTILE
from explorer.types import Finding, Hit, Report, Scope, SearchResult, Verdict
from explorer.ui.render import (
    MAIN_SECTIONS,
    SCOPE_WORDS,
    SCORE_WORDS,
    VERDICT_SIGNS,
    alert,
    escape,
    notes,
    percent,
    redact,
)
from explorer.ui.why_html import named, why

if TYPE_CHECKING:
    from explorer.nearness import Floor
    from explorer.store import CorpusInfo

# Shares of unrelated pairs that a score is above, and what that is called; the last holds for all below.
CLOSENESS = ((0.999, "very close"), (0.99, "close"), (0.95, "related"), (0.5, "loosely related"), (0.0, "not close"))
NAMED_TWINS = 12  # identical studies that are named; more are counted


def summary(result: SearchResult, corpus: CorpusInfo, address: str) -> str:
    """Return the status line above an answer: how many, of how many, ranked by what, in what time.

    address: what restores the choices behind it; the browser puts it into its own.
    """
    parts = (
        f"<strong>{len(result.hits)}</strong> of {corpus.scopes[result.scope]:,} {_asked_with(result)}",
        escape(SCORE_WORDS.get(result.score_name, (result.score_name, 2))[0]),
        escape(result.encoder),
        SCOPE_WORDS[result.scope],
        *_filtered(result),
        f"{result.seconds:.2f} s",
    )
    return f'<p class="status" role="status" data-address="{escape(address)}">{" · ".join(parts)}</p>'


def warning(result: SearchResult, floor: Floor | None) -> str:
    """Return that nothing is similar, where the nearest report is no nearer than reports come to anything; else ""."""
    if floor is None or not result.hits or result.hits[0].score > floor.score:
        return ""
    words, digits = SCORE_WORDS.get(result.score_name, (result.score_name, 2))
    return (
        "Nothing similar. No finding and no short form was recognised in this text, and the nearest report "
        f"({result.hits[0].score:.{digits}f} {words}) is no nearer than reports come to texts about other things "
        f"(up to {floor.score:.{digits}f} for {PERCENTILE} % of {floor.texts} such texts)."
    )


def _asked_with(result: SearchResult) -> str:
    query = result.query
    if query.kind == "study":
        return f"like {escape(query.study)}"
    if query.kind == "both":
        return f"for this text and film, {query.weight:.0%} film"
    return "for this film" if query.kind == "image" else "for this text"


def _filtered(result: SearchResult) -> Iterable[str]:
    """Whatever narrowed the answer is said beside it: a filter left on is easily forgotten."""
    filters = result.filters
    number = sum(value is not None for value in (filters.min_age, filters.max_age, filters.view, filters.sex))
    number += (filters.section is not None) + len(filters.findings) + len(filters.without)
    if number:
        yield f"{number} filter{'s' if number > 1 else ''}"


def answer(result: SearchResult, warning: str = "") -> str:
    """Return the hits as a list of cards, below what belongs to all of them.

    warning: a sentence that stands above everything, such as that nothing is similar.
    """
    above = alert(result.caution) if result.caution else ""
    above += f'<p class="nothing" role="status">{escape(warning)}</p>' if warning else ""
    if not result.hits:
        return f'{above}{notes(result.notes)}<div class="empty">{_nothing(result)}</div>'
    cards = "".join(card(hit, result) for hit in result.hits)
    return f'{above}{notes(result.notes)}<ol class="hits" aria-label="hits">{cards}</ol>{_files(result)}'


def card(hit: Hit, result: SearchResult) -> str:
    """Return one study that answers, with what the right column says of it."""
    report = hit.report
    return (
        f'<li class="hit" tabindex="0" data-study="{escape(report.id)}"><div class="place">'
        f'<span class="rank">{hit.rank}</span>{score(hit, result.score_name)}</div>'
        f'<article><div class="about"><span class="id">{escape(report.id)}</span>'
        f"{_section_tags(report, result.scope)}{_twins(hit)}</div>{_agreement(hit)}"
        f"{_sections(hit, result)}{_other_sections(report)}</article>"
        f"<template>{why(hit, score(hit, result.score_name), result.query.kind == 'study')}</template></li>"
    )


def score(hit: Hit, name: str) -> str:
    """Return a score with its name and, where it is known, what it means."""
    words, digits = SCORE_WORDS.get(name, (name, 2))
    number = f'<span class="score">{hit.score:.{digits}f} <small>{escape(words)}</small></span>'
    return number if hit.closer_than is None else f'{number}<span class="closer">{_closer(hit.closer_than)}</span>'


def _closer(share: float) -> str:
    word = next(word for least, word in CLOSENESS if share >= least)
    if share < 0.5:
        return f"{word}: no closer than most unrelated pairs"
    return f"{word}: closer than {percent(share)}\u00a0% of unrelated pairs"


def _nothing(result: SearchResult) -> str:
    if result.score_name == "bm25":
        return (
            "<p>No report that passes the filters has any of these words.</p>"
            "<p>Ask in other words, or choose an encoder that reads meaning.</p>"
        )
    return (
        "<p>No report answers this.</p>"
        "<p>Widen the age range, choose any view, take a finding out of the filters, or ask in other words.</p>"
    )


def _section_tags(report: Report, scope: Scope) -> str:
    """The sections a study has; the ones that were searched are marked."""
    searched = MAIN_SECTIONS if scope == "report" else (scope,)
    present = [name for name in MAIN_SECTIONS if report.sections.get(name, "").strip()]
    return "".join(
        f'<span class="tag{" searched" if name in searched else ""}">{escape(name)}</span>' for name in present
    )


def _twins(hit: Hit) -> str:
    if not hit.identical:
        return ""
    named_ones = ", ".join(hit.identical[:NAMED_TWINS])
    rest = len(hit.identical) - NAMED_TWINS
    more = f" and {rest:,} more" if rest > 0 else ""
    return (
        f'<details class="twins"><summary>×{len(hit.identical) + 1} identical</summary>'
        f"<p>{escape(named_ones)}{more}</p></details>"
    )


def _agreement(hit: Hit) -> str:
    items = "".join(
        f'<li class="{verdict.replace(" ", "-")}" title="{verdict}"><span class="sign" aria-label="{verdict}">'
        f"{VERDICT_SIGNS[verdict]}</span> {escape(named(one.asked))}</li>"
        for one in hit.agreement
        for verdict in (one.verdict,)
    )
    return f'<ul class="agreement" aria-label="findings asked for">{items}</ul>' if items else ""


def _sections(hit: Hit, result: SearchResult) -> str:
    """The sections that were searched, marked; a section that was not searched is folded."""
    shown = MAIN_SECTIONS if result.scope == "report" else (result.scope,)
    parts = []
    for name in MAIN_SECTIONS:
        text = hit.report.sections.get(name, "")
        if not text.strip():
            continue
        body = f"<p>{marked(text, _mentions(hit, result.findings, name))}</p>"
        if name in shown:
            parts.append(f'<section class="{name}"><h3>{name}</h3>{body}</section>')
        else:
            parts.append(
                f'<details class="others section"><summary>{name}</summary>'
                f'<section class="{name}">{body}</section></details>'
            )
    return "".join(parts)


def _mentions(hit: Hit, asked: tuple[Finding, ...], section: str) -> list[tuple[int, int, Verdict, Finding]]:
    """Where a section speaks of what was asked for, and what each place alone says to it."""
    wanted = {finding.name: finding for finding in reversed(asked)}
    return [
        (found.start, found.end, agreements((wanted[found.name],), (found,))[0].verdict, found)
        for found in hit.report.findings
        if found.section == section and found.name in wanted
    ]


def marked(text: str, mentions: Iterable[tuple[int, int, Verdict, Finding]]) -> str:
    """Return a section with its mentions marked; of two that overlap the first and longer one stays."""
    parts, at = [], 0
    for start, end, verdict, found in sorted(mentions, key=lambda one: (one[0], -one[1])):
        if start < at or end > len(text):
            continue
        title = escape(f"{verdict}: {named(found)}")
        mark = f'<mark class="{verdict.replace(" ", "-")}" title="{title}">{redact(text[start:end])}</mark>'
        parts += [redact(text[at:start]), mark]
        at = end
    return f"{''.join(parts)}{redact(text[at:])}"


def _other_sections(report: Report) -> str:
    others = [(name, text) for name, text in report.sections.items() if name not in MAIN_SECTIONS and text.strip()]
    if not others:
        return ""
    body = "".join(f"<dt>{escape(name)}</dt><dd>{redact(text)}</dd>" for name, text in others)
    names = ", ".join(name for name, _ in others)
    return f'<details class="others"><summary>{escape(names)}</summary><dl>{body}</dl></details>'


def _files(result: SearchResult) -> str:
    """The result as files, which the browser saves by itself: the server writes none."""
    return (
        f'<p class="files" data-json="{escape(export.json_text(result))}" data-csv="{escape(export.csv_text(result))}">'
        '<button type="button" class="plain" data-act="csv">save as CSV</button>'
        '<button type="button" class="plain" data-act="json">save as JSON</button>'
        '<button type="button" class="plain" data-act="link" '
        'title="The text stands behind the # of the link: it is not sent to a server until the link is opened">'
        "copy link with this question</button></p>"
    )
