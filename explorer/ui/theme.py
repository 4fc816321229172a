"""The look of the page: system fonts, our own tokens, and the little that runs in the browser. Nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradio.themes import Base

ASSETS = Path(__file__).parents[2] / "assets" / "theme"
STYLES = (
    "tokens.css",
    "gradio.css",
    "page.css",
    "hits.css",
    "results.css",
    "review.css",
    "desk.css",
    "compare.css",
    "abbreviations.css",
    "evidence.css",
    "map.css",
)
SCRIPTS = (
    "pages.js",
    "film.js",
    "explorer.js",
    "results.js",
    "review-line.js",
    "review-text.js",
    "review-forms.js",
    "review.js",
    "desk.js",
    "abbreviations.js",
    "evidence.js",
    "mapparts.js",
    "map.js",
)
SYSTEM_FONTS = ("system-ui", "sans-serif")
PLAIN = {"apply_default_css": False}
QUIET = {"show_progress": "hidden", "api_visibility": "private"}  # our own status line, no public endpoint
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='2' fill='%230E1113'/%3E"
    "%3Cpath d='M3 4h10M3 8h7M3 12h9' stroke='%235FB3C4' stroke-width='1.6'/%3E%3C/svg%3E"
)


def gradio_theme() -> Base:
    """Return Gradio's plainest theme in our fonts and with our styles, which so reach the login page too."""
    from gradio.themes import Base

    theme = Base(font=SYSTEM_FONTS, font_mono=("ui-monospace", "monospace"))  # its default looks for web fonts
    ground = "var(--ground, #0e1113)"  # dark from the first paint on, before any style is there
    theme.set(body_background_fill=ground, body_background_fill_dark=ground)
    theme.custom_css = "\n".join(asset(name) for name in STYLES)
    return theme


def head() -> str:
    """Return what goes into <head>: the icon, and the script, which chooses the light before the first paint."""
    scripts = "\n".join(asset(name) for name in SCRIPTS)
    return f'<link rel="icon" href="{ICON}"><meta name="referrer" content="no-referrer"><script>{scripts}</script>'


def asset(name: str) -> str:
    """Return a style or a script of the theme."""
    return (ASSETS / name).read_text(encoding="utf-8")
