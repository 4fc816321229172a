from __future__ import annotations

import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_explorer import CORPUS

from explorer.language.abbreviations import Expander, Expansion, Reading, Span
from explorer.types import Agreement, Finding, Hit, Query, Report, SearchResult, StudyMeta
from explorer.ui import film_html, hits_html, render, visit_html
from explorer.ui.film import FilmView, Window

PAYLOADS = (
    "<script>window.__x=1</script>",
    "<img src=x onerror=window.__x=1>",
    '"><img src=x onerror=window.__x=1>',
    "'><svg onload=window.__x=1>",
    "<svg/onload=window.__x=1>",
    "<iframe srcdoc='<script>parent.__x=1</script>'>",
    "<a href=javascript:window.__x=1>x</a>",
    '" onmouseover="window.__x=1',
    "' autofocus onfocus='window.__x=1",
    "</p></li></ol><h1>out</h1>",
    "<!-- <b>",
    "]]><b>",
    "<style>*{display:none}</style>",
    "<base href=//example.org>",
    "<form action=//example.org><input>",
    "<details open ontoggle=window.__x=1>",
    "<math><mi xlink:href=javascript:window.__x=1>",
    "${window.__x=1}",
    "{{constructor.constructor('window.__x=1')()}}",
    "`${window.__x=1}`",
    "{{{7*7}}}",
    "&lt;img src=x onerror=window.__x=1&gt;",
    "&#60;script&#62;",
    "\u202egpj.exe\u202c",
    "ok\x00\x1b[31m\x9b red \ud800",
)


class Structure(HTMLParser):
    """The elements and attribute names of a piece of HTML, and its text."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.values = ""
        self.feed(markup)
        self.close()

    @property
    def kinds(self) -> set[tuple[str, tuple[str, ...]]]:
        """Which elements there are; how many depends on the sentences of a text, whatever they say."""
        return set(self.elements)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.values += "".join(value or "" for _, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}", ()))

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment", ()))

    def handle_decl(self, decl: str) -> None:
        self.elements.append(("declaration", ()))

    def handle_data(self, data: str) -> None:
        self.text += data


def everything(text: str) -> str:
    """Every function of the module, with `text` in every field that holds text."""
    corpus = replace(CORPUS, title=text, licence=text, attribution=text)
    sections = {"findings": text, "impression": text, text + " ": text}
    meta = StudyMeta(age=61, views=(text,), films=2, codes=(text, text))
    asked = Finding(text, "present", text, text, text, "query", 0, 1)
    found = Finding(text, "present", text, text, text, "findings", 0, len(text))
    other = replace(found, name=f"{text}!")
    report = Report(text, text, sections, (found, other), meta, text)
    agreements = (Agreement(asked, "agrees", None), Agreement(asked, "contradicts", found))
    hit = Hit(1, 0.5, report, identical=(text,) * 14, closer_than=0.9, agreement=agreements)
    span = Span(0, len(text), text, text, (Reading(text, 0.7), Reading(f"{text}!", 0.3)), (text,))
    result = SearchResult(Query(text=text), text, "report", text, text, "report", (hit,), 0.1, (text,), text, (asked,))
    picture = FilmView(text, 4, 3, (Window(text, text, 1.0, 2.0),))
    return "".join(
        (
            render.header(corpus, (text,)),
            render.footer(corpus, text),
            render.busy(text, 0.5),
            render.alert(text),
            render.reading(Expansion(text * 3, text, (span,), ((len(text), 2 * len(text), text),))),
            hits_html.summary(result, corpus, text),
            hits_html.summary(replace(result, query=Query(study=text)), corpus, text),
            hits_html.answer(result, text),
            hits_html.answer(replace(result, hits=())),
            film_html.film(picture, (text,)),
            visit_html.visits([(text, text), (text, text)]),
            render.notice(text),
        )
    )


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_in_any_field_changes_the_structure_of_the_page(payload):
    assert Structure(everything(payload)).kinds == Structure(everything("plain")).kinds


@pytest.mark.parametrize("payload", PAYLOADS[:23])
def test_hostile_text_is_shown_as_itself(payload):
    page = Structure(everything(payload))
    assert page.text.count(payload) >= 10
    assert payload in page.values


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_that_a_template_language_reads_is_left(payload):
    markup = render.escape(payload)
    assert not set("<>\"'{}$`") & set(markup)


def test_marks_that_hide_or_reorder_text_are_dropped():
    assert render.escape("\u202egpj.exe\u202c") == "gpj.exe"
    assert render.escape("a\x00b\x1bc\x9bd\ud800e\nf\tg") == "abcde\nf\tg"


def test_removed_words_become_a_mark_that_says_so():
    shown = render.redact("seen on XXXX, stable since XXXXXX. XXX stays")
    assert shown.count("▮") == 2
    assert shown.count('title="removed by de-identification"') == 2
    assert shown.endswith(" XXX stays")
    assert "XXXX" not in shown


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.0, "0"), (0.505, "50"), (0.9899, "98"), (0.99, "99"), (0.9956, "99.5"), (0.9999, "99.9"), (1.0, "99.9")],
)
def test_a_share_is_rounded_down_and_never_all(share, words):
    assert render.percent(share) == words


def test_errors_are_announced_to_screen_readers():
    assert 'role="alert"' in render.alert(ValueError("no"))


def test_every_short_form_stands_with_its_meaning_and_the_rest_as_typed():
    page = Structure(render.reading(Expander.open().expand("sm R PTX, no eff")))
    assert page.text == "sm (small) R (right) PTX (pneumothorax), no eff (effusion)"


def test_an_unknown_short_form_is_marked_and_never_guessed():
    markup = render.reading(Expander.open().expand("QZX of the chest"))
    assert '<span class="unknown" title="not in the lexicon: searched as typed">QZX</span> of the chest' in markup


def test_a_note_without_shorthand_shows_nothing():
    assert render.reading(Expander.open().expand("The lungs are clear.")) == ""


def test_the_footer_names_version_corpus_licence_and_encoder():
    words = Structure(render.footer(CORPUS, "pocket · bf16 · cpu")).text
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"version {project['version']}" in words
    assert all(
        part in words for part in ("Made-up reports", "CC BY 4.0", "pocket · bf16 · cpu", "Not for clinical use")
    )


def test_what_stands_in_for_an_encoder_is_told_for_everybody_to_hear_and_as_text():
    line = render.standing_in("pocket cannot be used: <img src=x>")
    assert 'role="alert"' in line
    assert "pocket cannot be used: &lt;img src=x&gt;" in line
