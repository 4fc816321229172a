"""A film on the page: the picture the browser paints, the tools of the viewer, and what was read from the file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from explorer.ui.film import FilmView, Window
from explorer.ui.render import escape, notes

# act, key, word, whether it stays on until it is pressed again
_TOOLS = (
    ("invert", "i", "invert", True),
    ("flip", "f", "flip", True),
    ("zoom-in", "+", "zoom in", False),
    ("zoom-out", "−", "zoom out", False),
    ("reset", "r", "reset", False),
    ("large", "e", "large", True),
)


def film(picture: FilmView, lines: Iterable[str], *, keys: bool = True) -> str:
    """Return a film with its windows and what was done to it; the browser paints the canvas.

    keys: the page lets keys choose windows and tools, and so their names are shown. Where it does not, the film is not
    its subject, and what was read from the file is folded away.
    """
    windows = "".join(_window(window, keys) for window in picture.windows)
    tools = "".join(_tool(act, key if keys else "", word, stays) for act, key, word, stays in _TOOLS)
    full = picture.windows[-1]
    return (
        f'<figure data-film="{escape(picture.address)}" data-range="{full.width:.0f}">'
        '<div class="screen"><div class="stage">'
        f'<canvas width="{picture.width}" height="{picture.height}" tabindex="0" role="img" '
        'aria-label="the film asked for; arrow keys move it when it is zoomed" '
        'title="drag: window · shift and drag: move · wheel: zoom"></canvas></div>'
        '<p class="state" aria-live="polite"></p></div>'
        f'<figcaption><div class="windows" role="group" aria-label="Window">{windows}</div>'
        f'<div class="windows" role="group" aria-label="Viewer">{tools}</div>'
        f'<details class="read"{" open" if keys else ""}><summary>Read from the file, and not read</summary>'
        f"{notes(lines)}</details>"
        "</figcaption></figure>"
    )


def as_kept(picture: FilmView, lines: Iterable[str]) -> bytes:
    """Return a film as bytes from which `from_kept` shows it again, without its file."""
    return json.dumps({**asdict(picture), "lines": list(lines)}).encode()


def from_kept(content: bytes) -> str:
    """Return a kept film for a page whose keys mean other things."""
    kept = json.loads(content)
    windows = tuple(Window(**window) for window in kept["windows"])
    return film(FilmView(kept["address"], kept["width"], kept["height"], windows), kept["lines"], keys=False)


def _window(window: Window, keys: bool) -> str:
    return (
        f'<button type="button" class="plain" data-key="{escape(window.key)}" data-centre="{window.centre:.1f}" '
        f'data-width="{window.width:.1f}" aria-pressed="false">{_key(window.key if keys else "")}'
        f"{escape(window.label)}</button>"
    )


def _key(key: str) -> str:
    return f"<kbd>{escape(key)}</kbd> " if key else ""


def _tool(act: str, key: str, word: str, stays: bool) -> str:
    pressed = ' aria-pressed="false"' if stays else ""
    return f'<button type="button" class="plain" data-act="{act}"{pressed}>{_key(key)}{word}</button>'
