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

from explorer import __version__
from explorer.types import Scope, Verdict

if TYPE_CHECKING:
    from explorer.language.abbreviations import Expansion, Span
    from explorer.store import CorpusInfo

PRODUCT = "CXR Report Explorer"
SCOPE_WORDS: dict[Scope, str] = {"report": "whole report", "findings": "findings", "impression": "impression"}
SCORE_WORDS = {"cosine": ("cosine", 2), "clip_raw": ("inner product", 2), "bm25": ("BM25", 1)}
VERDICT_SIGNS: dict[Verdict, str] = {"agrees": "✓", "contradicts": "✗", "uncertain": "?", "not mentioned": "–"}
MAIN_SECTIONS = ("findings", "impression")

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
    """Return the line at the bottom: version, corpus with its licence, and the tower, `encoder`, with its precision."""
    source = escape(f"{corpus.title} · {corpus.licence} · {corpus.attribution}")
    return (
        f'<footer class="ours">{_CAUTION}<p class="source" title="{source}">{source}</p>'
        f'<p class="encoder">{escape(encoder)} · version {__version__}</p></footer>'
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


def busy(message: str, share: float | None = None) -> str:
    """Return the status line while something runs; `share` is how much is done, 0 to 1, if that is known."""
    line = f'<p class="status busy" role="status">{escape(message)}</p>'
    if share is None:
        return f'{line}<progress class="line"></progress>'
    return f'{line}<progress class="line" max="1" value="{min(1.0, max(0.0, share)):.3f}"></progress>'


def notice(message: object) -> str:
    """Return a quiet line in the place of the status."""
    return f'<p class="status" role="status">{escape(message)}</p>'


def told(line: str) -> str:
    """Return a line of the page's own that is no error; nothing for no words."""
    return f'<p class="status" role="status">{escape(line)}</p>' if line else ""


def alert(message: object) -> str:
    """Return an error in place."""
    return f'<p class="status alert" role="alert">{escape(message)}</p>'


def standing_in(said: str) -> str:
    """Return the line under the header that says which encoder stands in for which, and why."""
    return f'<p class="alert standing-in" role="alert">{escape(said)}</p>'


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


def notes(lines: Iterable[str]) -> str:
    """Return sentences that say how to read what stands beside them; nothing for no sentence."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="notes">{items}</ul>' if items else ""


def redact(text: str) -> str:
    """Return escaped text with each run of X that stands for removed words as a small mark."""
    return _MARK.join(escape(part) for part in _REDACTED.split(text))


def percent(share: float) -> str:
    """Return a share as per cent, rounded down and never 100: no score is above all pairs there could be."""
    if share < 0.99:
        return str(math.floor(max(0.0, share) * 100))
    return f"{min(99.9, math.floor(share * 1000) / 10):g}"
