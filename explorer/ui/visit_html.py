"""What stands around an answer: the first words of the page, its keys, and what was asked in this visit."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.ui.render import escape

SHORTEST_VISIT = 2  # questions from which on there is something to go back to
_KEYS = (
    ("/", "to the query"),
    ("Enter", "search; on a hit: its original report"),
    ("j k", "through the hits"),
    ("m", "more like this hit"),
    ("c", "copy the report of this hit"),
    ("u", "undo: back to the question before"),
    ("1–4", "window of the film: default, lung, bone, full"),
    ("i f", "invert the film, flip it"),
    ("+ − r", "zoom in and out, reset the film"),
    ("e", "film in large and back"),
    ("Esc", "leave a box, close what is open"),
    ("?", "these keys"),
)


def welcome() -> str:
    """Return what stands in the results' place before anything was asked."""
    return (
        '<div class="empty"><p>Write the note as you would dictate it, shorthand and all, or drop a film.</p>'
        "<p>The reports that say the same thing come back, closest first.</p>"
        f"<dl>{_rows(_KEYS[:4])}</dl>"
        '<p><button type="button" class="plain" data-act="keys">all keys <kbd>?</kbd></button></p></div>'
    )


def keys() -> str:
    """Return the list of keys, closed until it is asked for."""
    return (
        '<dialog id="keys" aria-labelledby="keys-title"><h2 id="keys-title">Keys</h2>'
        f"<dl>{_rows(_KEYS)}</dl>"
        '<form method="dialog"><button class="plain">close</button></form></dialog>'
    )


def why_first() -> str:
    """Return what the right column says while no hit is selected."""
    return (
        '<div id="why-box" role="region" aria-label="Why this one" tabindex="-1"><h2>Why this one</h2>'
        '<div class="body" aria-live="polite"><p class="none">Select a hit: what of it answers you stands here.</p>'
        "</div></div>"
    )


def visits(asked: Sequence[tuple[str, str]]) -> str:
    """Return what was asked in this visit, the latest first: (question, how it was asked) in the order asked."""
    if len(asked) < SHORTEST_VISIT:
        return ""
    items = "".join(
        f'<li><button type="button" class="plain" data-again="{number}">{escape(question)}</button> '
        f"<small>{escape(how)}</small></li>"
        for number, (question, how) in reversed(list(enumerate(asked)))
    )
    return (
        '<button type="button" class="plain" data-act="undo"><kbd>u</kbd> undo</button>'
        f'<details class="visits"><summary>{len(asked)} questions of this visit</summary><ol>{items}</ol>'
        "<p>Forgotten when the page is closed.</p></details>"
    )


def _rows(keys: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f"<dt>{' '.join(f'<kbd>{escape(one)}</kbd>' for one in pressed.split())}</dt><dd>{escape(what)}</dd>"
        for pressed, what in keys
    )
