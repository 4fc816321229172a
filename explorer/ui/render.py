"""Records to HTML, and `escape`, the one way in which any text becomes part of it.

Every text that comes from a report, a file, a query or an error passes `escape`. The page shows HTML through
gr.HTML, which sets innerHTML: an unescaped attribute would run.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from explorer.types import Finding, Hit, Report, Scope, SearchResult, Verdict
from explorer.ui.film import FilmView, Window

if TYPE_CHECKING:
    from explorer.language.abbreviations import Expansion, Span
    from explorer.store import CorpusInfo

PRODUCT = "CXR Report Explorer"
SCOPE_WORDS: dict[Scope, str] = {"report": "whole report", "findings": "findings", "impression": "impression"}
SCORE_WORDS = {"cosine": ("cosine", 2), "clip_raw": ("inner product", 2), "bm25": ("BM25", 1)}
VERDICT_SIGNS: dict[Verdict, str] = {"agrees": "✓", "contradicts": "✗", "uncertain": "?", "not mentioned": "–"}
MAIN_SECTIONS = ("findings", "impression")
NAMED_TWINS = 12  # identical studies that are named; more are counted

# Controls, lone surrogates, and marks that would show a text in another order than it is stored.
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Gradio reads values as templates; these four are what its template languages look for.
_TEMPLATE_SIGNS = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})
_REDACTED = re.compile("X{4,}")
_MARK = '<span class="redacted" role="img" aria-label="removed" title="removed by de-identification">▮</span>'
_CAUTION = (
    '<p class="caution"><strong>Not for clinical use.</strong> These are other patients’ reports, not a diagnosis.</p>'
)


def escape(text: object) -> str:
    """Return text that shows as itself, in element content and inside a quoted attribute."""
    shown = _UNSHOWN.sub("", str(text))
    return html.escape(shown, quote=True).translate(_TEMPLATE_SIGNS)


def header(corpus: CorpusInfo, pages: Sequence[str]) -> str:
    """Return the line on top: product, pages by the names the address gives them, corpus, light switch."""
    return _bar(pages, f"{escape(corpus.title)} <span>{corpus.studies:,} studies</span>")


def door_header() -> str:
    """Return the line on top of the reviewers' door."""
    return _bar(("review",), "")


def _bar(pages: Sequence[str], about: str) -> str:
    links = "".join(
        f'<a href="?show={escape(page)}" data-page="{escape(page)}">{escape(page.capitalize())}</a>' for page in pages
    )
    return (
        f'<header class="bar"><h1>{PRODUCT}</h1><nav aria-label="Pages">{links}</nav><p class="corpus">{about}</p>'
        '<button type="button" class="plain" data-act="theme" title="dark or light" '
        'aria-label="Switch between dark and light">◐</button></header>'
    )


def footer(corpus: CorpusInfo, encoder: str) -> str:
    """Return the line at the bottom; `encoder` names the tower with its precision."""
    source = escape(f"{corpus.licence} · {corpus.attribution}")
    return (
        f'<footer class="ours">{_CAUTION}<p class="source" title="{source}">{source}</p>'
        f'<p class="encoder">{escape(encoder)}</p></footer>'
    )


def door_footer() -> str:
    """Return the line at the bottom of the reviewers' door."""
    return f'<footer class="ours">{_CAUTION}</footer>'


def options_switch() -> str:
    """Return the button that opens the options on a narrow screen."""
    return (
        '<button type="button" class="plain" data-act="options" aria-expanded="false" aria-controls="options">'
        "Encoder, section, filters</button>"
    )


def welcome() -> str:
    """Return what stands in the results' place before anything was asked."""
    return (
        '<div class="empty"><p>Write the note as you would dictate it, shorthand and all, or drop a film.</p>'
        "<p>The reports that say the same thing come back, closest first.</p>"
        "<dl><dt><kbd>/</kbd></dt><dd>to the query</dd><dt><kbd>Enter</kbd></dt><dd>search</dd>"
        "<dt><kbd>j</kbd> <kbd>k</kbd></dt><dd>through the hits</dd>"
        "<dt><kbd>1</kbd>–<kbd>4</kbd> <kbd>i</kbd></dt><dd>window and inversion of the film</dd></dl></div>"
    )


def busy(message: str, share: float | None = None) -> str:
    """Return the status line while something runs; `share` is how much is done, 0 to 1, if that is known."""
    line = f'<p class="status busy" role="status">{escape(message)}</p>'
    if share is None:
        return f'{line}<progress class="line"></progress>'
    return f'{line}<progress class="line" max="1" value="{min(1.0, max(0.0, share)):.3f}"></progress>'


def notice(message: object) -> str:
    """Return a quiet line in the place of the status."""
    return f'<p class="status" role="status">{escape(message)}</p>'


def alert(message: object) -> str:
    """Return an error in place."""
    return f'<p class="status alert" role="alert">{escape(message)}</p>'


def reading(expansion: Expansion) -> str:
    """Return a note as read: every short form with its meaning beneath, unknown ones marked; nothing if it has none."""
    marks = [(span.start, span.end, _ruby(span)) for span in expansion.spans]
    marks += [(start, end, _unknown(text)) for start, end, text in expansion.unknown]
    if not marks:
        return ""
    parts, at = [], 0
    for start, end, markup in sorted(marks):
        parts += [escape(expansion.text[at:start]), markup]
        at = end
    return f'<p class="reading" aria-label="the note as read">{"".join(parts)}{escape(expansion.text[at:])}</p>'


def _ruby(span: Span) -> str:
    others = ", ".join(f"{other.long} {other.score:.0%}" for other in span.alternatives if other.long != span.long)
    title = f' title="{escape(f"or: {others}")}"' if others else ""
    return f'<ruby class="short"{title}>{escape(span.short)}<rp> (</rp><rt>{escape(span.long)}</rt><rp>)</rp></ruby>'


def _unknown(text: str) -> str:
    return f'<span class="unknown" title="not in the lexicon: searched as typed">{escape(text)}</span>'


def summary(result: SearchResult, corpus: CorpusInfo) -> str:
    """Return the status line above an answer: how many, of how many, ranked by what, in what time."""
    asked = "film" if result.query.kind == "image" else "text"
    parts = (
        f"<strong>{len(result.hits)}</strong> of {corpus.scopes[result.scope]:,} for this {asked}",
        escape(SCORE_WORDS.get(result.score_name, (result.score_name, 2))[0]),
        escape(result.encoder),
        SCOPE_WORDS[result.scope],
        f"{result.seconds:.2f} s",
    )
    return f'<p class="status" role="status">{" · ".join(parts)}</p>'


def answer(result: SearchResult) -> str:
    """Return the hits as a list of cards, below the caution and the notes that belong to all of them."""
    warned = alert(result.caution) if result.caution else ""
    if not result.hits:
        return (
            f'{warned}{notes(result.notes)}<div class="empty"><p>No report answers this.</p>'
            "<p>Widen the age range, choose any view, or ask in other words.</p></div>"
        )
    cards = "".join(card(hit, result) for hit in result.hits)
    return f'{warned}{notes(result.notes)}<ol class="hits">{cards}</ol>'


def notes(lines: Iterable[str]) -> str:
    """Return sentences that say how to read what stands beside them; nothing for no sentence."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="notes">{items}</ul>' if items else ""


def card(hit: Hit, result: SearchResult) -> str:
    """Return one study that answers."""
    report = hit.report
    return (
        f'<li class="hit" tabindex="0" data-study="{escape(report.id)}"><div class="place">'
        f'<span class="rank">{hit.rank}</span>{_score(hit, result.score_name)}</div>'
        f'<article><div class="about"><span class="id">{escape(report.id)}</span>'
        f"{_section_tags(report, result.scope)}{_twins(hit)}</div>{_agreement(hit)}"
        f"{_sections(report)}{_other_sections(report)}</article>{_aside(report)}</li>"
    )


def redact(text: str) -> str:
    """Return escaped text with each run of X that stands for removed words as a small mark."""
    return _MARK.join(escape(part) for part in _REDACTED.split(text))


def film(picture: FilmView, lines: Iterable[str]) -> str:
    """Return a film with its windows and what was done to it; the browser paints the canvas."""
    buttons = "".join(_window(window) for window in picture.windows)
    full = picture.windows[-1]
    return (
        f'<figure data-film="{escape(picture.address)}" data-range="{full.width:.0f}">'
        f'<canvas width="{picture.width}" height="{picture.height}" aria-label="the film asked for" '
        'title="drag to window"></canvas>'
        f'<figcaption><div class="windows" role="group" aria-label="Window">{buttons}'
        '<button type="button" class="plain" data-act="invert" aria-pressed="false"><kbd>i</kbd> invert</button>'
        f"</div>{notes(lines)}</figcaption></figure>"
    )


def _window(window: Window) -> str:
    return (
        f'<button type="button" class="plain" data-key="{escape(window.key)}" data-centre="{window.centre:.1f}" '
        f'data-width="{window.width:.1f}" aria-pressed="false"><kbd>{escape(window.key)}</kbd> '
        f"{escape(window.label)}</button>"
    )


def _score(hit: Hit, name: str) -> str:
    words, digits = SCORE_WORDS.get(name, (name, 2))
    number = f'<span class="score">{hit.score:.{digits}f} <small>{escape(words)}</small></span>'
    if hit.closer_than is None:
        return number
    return f'{number}<span class="closer">{_closer(hit.closer_than)}</span>'


def _closer(share: float) -> str:
    if share < 0.5:
        return "no closer than most unrelated pairs"
    return f"closer than {percent(share)}\u00a0% of unrelated pairs"


def percent(share: float) -> str:
    """Return a share as per cent, rounded down and never 100: no score is above all pairs there could be."""
    if share < 0.99:
        return str(math.floor(max(0.0, share) * 100))
    return f"{min(99.9, math.floor(share * 1000) / 10):g}"


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
    named = ", ".join(hit.identical[:NAMED_TWINS])
    rest = len(hit.identical) - NAMED_TWINS
    more = f" and {rest:,} more" if rest > 0 else ""
    return (
        f'<details class="twins"><summary>×{len(hit.identical) + 1} identical</summary>'
        f"<p>{escape(named)}{more}</p></details>"
    )


def _agreement(hit: Hit) -> str:
    items = "".join(
        f'<li class="{verdict.replace(" ", "-")}" title="{verdict}"><span class="sign" aria-label="{verdict}">'
        f"{VERDICT_SIGNS[verdict]}</span> {escape(_named(one.asked))}</li>"
        for one in hit.agreement
        for verdict in (one.verdict,)
    )
    return f'<ul class="agreement" aria-label="findings asked for">{items}</ul>' if items else ""


def _named(finding: Finding) -> str:
    words = (finding.severity, finding.laterality, finding.name.lower())
    denied = "no " if finding.status == "absent" else ""
    return denied + " ".join(word for word in words if word)


def _sections(report: Report) -> str:
    return "".join(
        f'<section class="{name}"><h3>{name}</h3><p>{redact(text)}</p></section>'
        for name in MAIN_SECTIONS
        if (text := report.sections.get(name, "").strip())
    )


def _aside(report: Report) -> str:
    """Age, films, source and licence, expert codes: the quiet part of a card."""
    codes = "".join(f"<li>{escape(code.replace('/', ' · '))}</li>" for code in report.meta.codes)
    return (
        f"<aside><p>{' · '.join(_facts(report))}</p><p>{escape(report.source)} · {escape(report.licence)}</p>"
        f'<ul class="codes" aria-label="expert codes">{codes}</ul></aside>'
    )


def _facts(report: Report) -> Iterable[str]:
    meta = report.meta
    if meta.age is not None:
        yield f"{meta.age} y"
    if meta.views:
        yield escape(" + ".join(meta.views))
    elif meta.films:
        yield f"{meta.films} film{'s' if meta.films > 1 else ''}"


def _other_sections(report: Report) -> str:
    others = [(name, text) for name, text in report.sections.items() if name not in MAIN_SECTIONS and text.strip()]
    if not others:
        return ""
    body = "".join(f"<dt>{escape(name)}</dt><dd>{redact(text)}</dd>" for name, text in others)
    names = ", ".join(name for name, _ in others)
    return f'<details class="others"><summary>{escape(names)}</summary><dl>{body}</dl></details>'
