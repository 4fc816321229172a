"""Notes in shorthand to HTML: the note with its readings, how far its reports move, the glossary.

Every text passes `escape`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from explorer.compare import Comparison, Moved
from explorer.language.abbreviations import Entry, Expansion, Reading, Span
from explorer.metrics.overlap import PERSISTENCE
from explorer.types import SearchResult
from explorer.ui.compare_html import across, article, cards, lines, sheet
from explorer.ui.render import SCOPE_WORDS, SCORE_WORDS, escape

FORMS = ("short form", "long form")


def welcome() -> str:
    """Return what stands in the note's place before one is there."""
    return (
        '<div class="empty"><p>Paste a note. Every short form gets its reading in this context beneath it.</p>'
        "<p>Press one to see the other readings, with what speaks for each, and to read it otherwise.</p></div>"
    )


def note(expansion: Expansion, opened: int | None = None) -> str:
    """Return a note in large type: each short form a button with its reading beneath, and the readings of each.

    `opened` is the number of the span whose readings are shown.
    """
    marks = [
        (span.start, span.end, _short(number, span, number == opened)) for number, span in enumerate(expansion.spans)
    ]
    marks += [(start, end, _unknown(text)) for start, end, text in expansion.unknown]
    parts, at = [], 0
    for start, end, markup in sorted(marks):
        parts += [escape(expansion.text[at:start]), markup]
        at = end
    panels = "".join(_readings(number, span, number == opened) for number, span in enumerate(expansion.spans))
    return (
        f'<p class="note" aria-label="the note as read">{"".join(parts)}{escape(expansion.text[at:])}</p>'
        f"{panels}{_said(expansion)}{_unknowns(expansion)}"
    )


def _short(number: int, span: Span, is_open: bool) -> str:
    several = len(span.alternatives) > 1
    chosen = " otherwise" if span.long != span.alternatives[0].long else ""
    title = f"{len(span.alternatives)} readings" if several else "one reading"
    return (
        f'<ruby><button type="button" class="short{" several" if several else ""}{chosen}" data-span="{number}" '
        f'aria-expanded="{"true" if is_open else "false"}" aria-controls="readings-{number}" title="{title}" '
        f'aria-label="{escape(f"{span.short}: {span.long}, {title}")}">{escape(span.short)}</button>'
        f"<rp> (</rp><rt>{escape(span.long)}</rt><rp>)</rp></ruby>"
    )


def _unknown(text: str) -> str:
    return f'<span class="unknown" title="not in the lexicon: searched as typed">{escape(text)}</span>'


def _readings(number: int, span: Span, is_open: bool) -> str:
    """The readings of one short form as a bar chart; each can be chosen."""
    bars = "".join(_bar(number, reading, reading.long == span.long) for reading in span.alternatives)
    return (
        f'<section class="readings" id="readings-{number}" data-readings="{number}"{"" if is_open else " hidden"}>'
        f"<h3>{escape(span.short)}</h3><p>{_because(span)}</p>"
        f'<ul role="radiogroup" aria-label="{escape(f"readings of {span.short}")}">{bars}</ul></section>'
    )


def _because(span: Span) -> str:
    if len(span.alternatives) == 1:
        return "The lexicon has one reading of it."
    words = " ".join(f"<mark>{escape(word)}</mark>" for word in span.because)
    decided = f"Decided by {words}." if words else "No word decided: its place, or how common the reading is."
    if span.long == span.alternatives[0].long:
        return decided
    return f"Read as you chose. By the note it is {escape(span.alternatives[0].long)}. {decided}"


def _bar(number: int, reading: Reading, is_chosen: bool) -> str:
    share = f"{reading.score:.3f}"
    return (
        f'<li><button type="button" role="radio" aria-checked="{"true" if is_chosen else "false"}" '
        f'data-choose="{number}" data-long="{escape(reading.long)}" tabindex="{0 if is_chosen else -1}">'
        f'<span class="long">{escape(reading.long)}</span><meter min="0" max="1" value="{share}" aria-hidden="true">'
        f'</meter><span class="share">{share_words(reading.score)}</span></button></li>'
    )


def share_words(share: float) -> str:
    """Return a share as per cent; what is neither nothing nor all is not rounded to it."""
    if 0 < share < 0.01:
        return "&lt;1 %"
    return "&gt;99 %" if 0.99 < share < 1 else f"{share * 100:.0f} %"


def _said(expansion: Expansion) -> str:
    if not expansion.spans:
        return '<p class="full">No short form of the lexicon is in this note.</p>'
    return f'<p class="full"><span>in full</span> {escape(expansion.expanded)}</p>'


def _unknowns(expansion: Expansion) -> str:
    if not expansion.unknown:
        return ""
    named = dict.fromkeys(text for _, _, text in expansion.unknown)
    items = "".join(f"<li>{escape(text)}</li>" for text in named)
    return (
        '<div class="unknowns"><h3>Not in the lexicon</h3>'
        f"<ul>{items}</ul><p>They look like short forms, are searched as typed, and are never guessed.</p></div>"
    )


def summary(moved: Comparison) -> str:
    """Return the status line above the two lists: one number, and where it comes from."""
    short, how_far = moved.results[0], moved.moved
    score = SCORE_WORDS.get(short.score_name, (short.score_name, 2))[0]
    parts = (escape(short.encoder), escape(score), SCOPE_WORDS[short.scope], escape(short.corpus))
    return (
        f'<p class="status" role="status"><strong class="stays">{how_far.stay} of {how_far.of} stay</strong> · '
        f"{how_far.of - how_far.stay} move · {' · '.join(parts)}</p>"
    )


def moves(moved: Comparison) -> str:
    """Return what the short and the long form retrieve as two lists, with lines between equal studies."""
    columns = "".join(
        f'<div class="column"><header><h3>{form}</h3><p class="asked">{escape(result.query.text or "")}</p></header>'
        f'<div class="ranked">{lines(moved, column) if column else ""}{cards(moved, column)}</div></div>'
        for column, (form, result) in enumerate(zip(FORMS, moved.results, strict=True))
    )
    return (
        f'<section class="columns" data-shown="moves" style="--columns: 2">{columns}</section>{sheet(_articles(moved))}'
    )


def _articles(moved: Comparison) -> str:
    found: list[str] = []
    for number, study in enumerate(moved.studies):
        placed = [(form, rank, result) for form, rank, result in _places(study.ranks, moved.results) if rank]
        where = ", ".join(f"rank {rank} for the {form}" for form, rank, _ in placed)
        _, first, result = placed[0]
        hit = next(hit for hit in result.hits if hit.rank == first)
        found.append(article(f"moves {number}", hit, where))
    return "".join(found)


def _places(ranks: Sequence[int | None], results: Sequence[SearchResult]) -> list[tuple[str, int | None, SearchResult]]:
    return list(zip(FORMS, ranks, results, strict=True))


def overlaps(encoders: Sequence[str], measured: Mapping[str, Moved], chosen: str) -> str:
    """Return a row an encoder: how far its first hits stay the same between the short and the long form."""
    rows = "".join(_overlap(name, measured.get(name), name == chosen) for name in encoders)
    return (
        '<table class="stay"><caption>The first hits for the short and for the long form, by encoder; in bold their '
        f"rank-biased overlap (p = {PERSISTENCE})</caption><tbody>{rows}</tbody></table>"
    )


def _overlap(name: str, moved: Moved | None, is_chosen: bool) -> str:
    head = f'<th scope="row"{" class=chosen" if is_chosen else ""}>{escape(name)}</th>'
    if moved is None:
        return f'<tr>{head}<td></td><td class="none">not asked yet</td></tr>'
    share = moved.stay / max(1, moved.of)
    return (
        f'<tr>{head}<td><meter min="0" max="1" value="{share:.3f}" aria-hidden="true"></meter></td>'
        f"<td>{across(moved)}</td></tr>"
    )


def glossary(entries: Sequence[Entry], shown: int, asked: str) -> str:
    """Return the first `shown` entries of a glossary, and how many there are."""
    if not entries:
        return f'<p class="empty">Nothing of the lexicon has “{escape(asked)}” in it. It is not guessed.</p>'
    rows = "".join(_entry(entry) for entry in entries[:shown])
    readings = sum(len(entry.longs) for entry in entries)
    more = f", the first {shown} shown" if len(entries) > shown else ""
    return (
        f'<p class="about" role="status">{_forms(len(entries))}, {readings:,} readings{more}</p><div class="wide">'
        '<table class="glossary"><thead><tr><th scope="col">Short</th><th scope="col">Readings</th>'
        f'<th scope="col">What speaks for it</th></tr></thead>{rows}</table></div>'
    )


def _forms(count: int) -> str:
    return "1 short form" if count == 1 else f"{count:,} short forms"


def _entry(entry: Entry) -> str:
    head = f'<th scope="rowgroup" rowspan="{len(entry.longs)}">{escape(entry.short)}</th>'
    several = len(entry.longs) > 1
    rows = "".join(
        f"<tr>{'' if place else head}<td>{escape(long)}</td>"
        f'<td class="hints">{escape(", ".join(hints)) if several else ""}</td></tr>'
        for place, (long, hints) in enumerate(zip(entry.longs, entry.hints, strict=True))
    )
    return f"<tbody>{rows}</tbody>"
