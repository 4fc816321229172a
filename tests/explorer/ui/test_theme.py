from __future__ import annotations

import re

from explorer.ui import theme


def test_nothing_in_the_head_is_fetched_from_anywhere():
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+", re.sub(r"^\s*//.*$", "", theme.head(), flags=re.MULTILINE)))
    assert addresses <= {"http://www.w3.org"}  # the name of SVG's vocabulary, which nobody fetches
    assert "url(" not in theme.head()
    assert "@import" not in theme.head()


def test_both_lights_name_the_same_colours():
    tokens = (theme.ASSETS / "tokens.css").read_text(encoding="utf-8")
    dark, light = (set(re.findall(r"(--[\w-]+): #", block)) for block in tokens.split("}")[:2])
    assert light == dark - {"--film", "--heat", "--on-film"}  # a film stands on black in any light


def test_the_fonts_are_those_of_the_system():
    assert "@font-face" not in theme.gradio_theme()._get_theme_css()
    assert not theme.gradio_theme()._stylesheets
