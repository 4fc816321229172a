from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from made_explorer import CORPUS

from explorer.language.abbreviations import Expander, Expansion, Reading, Span
from explorer.types import Agreement, Finding, Hit, Query, Report, SearchResult, StudyMeta
from explorer.ui import render
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
    report = Report(text, text, sections, (), meta, text)
    agreement = Agreement(Finding(text, "present", text, text, text, "query", 0, 1), "agrees", None)
    hit = Hit(1, 0.5, report, identical=(text,) * 14, closer_than=0.9, agreement=(agreement,))
    span = Span(0, len(text), text, text, (Reading(text, 0.7), Reading(f"{text}!", 0.3)), (text,))
    result = SearchResult(
        Query(text=text), text, "report", text, text, "report", (hit,), 0.1, notes=(text,), caution=text
    )
    picture = FilmView(text, 4, 3, (Window(text, text, 1.0, 2.0),))
    return "".join(
        (
            render.header(corpus, (text,)),
            render.footer(corpus, text),
            render.busy(text, 0.5),
            render.alert(text),
            render.reading(Expansion(text * 3, text, (span,), ((len(text), 2 * len(text), text),))),
            render.summary(result, corpus),
            render.answer(result),
            render.answer(replace(result, hits=())),
            render.film(picture, (text,)),
        )
    )


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_in_any_field_changes_the_structure_of_the_page(payload):
    assert Structure(everything(payload)).elements == Structure(everything("plain")).elements


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


def study(findings: str = "", impression: str = "", **other: str) -> Report:
    sections = {"impression": impression, **other, "findings": findings}
    return Report("made-up:1", "made-up", sections, (), StudyMeta(), "CC BY 4.0")


def one(hit: Hit, score_name: str = "cosine", scope: str = "report") -> str:
    result = SearchResult(Query(text="q"), "pocket", "report", score_name, "made-up", scope, (hit,), 0.1)
    return render.card(hit, result)


def test_a_card_names_its_score_and_says_it_in_words():
    card = Structure(one(Hit(3, 0.8249, study("Clear lungs."), closer_than=0.993))).text
    assert card.startswith("30.82 cosinecloser than 99.3\u00a0% of unrelated pairs")


def test_a_score_below_half_of_the_unrelated_pairs_is_not_called_close():
    card = Structure(one(Hit(1, 0.31, study("Clear lungs."), closer_than=0.004))).text
    assert "no closer than most unrelated pairs" in card


def test_a_word_score_has_no_share_of_pairs():
    card = Structure(one(Hit(1, 12.345, study("Clear lungs.")), "bm25")).text
    assert card.startswith("112.3 BM25")
    assert "closer than" not in card


def test_findings_come_first_and_empty_sections_not_at_all():
    card = one(Hit(1, 0.5, study("Clear lungs.", "Normal.", comparison="  ", indication="Cough.")))
    assert card.index("Clear lungs.") < card.index("Normal.") < card.index("Cough.")
    assert "comparison" not in card


def test_the_searched_section_is_marked():
    card = one(Hit(1, 0.5, study("Clear lungs.", "Normal.")), scope="impression")
    assert '<span class="tag">findings</span><span class="tag searched">impression</span>' in card


def test_identical_studies_are_counted_with_this_one_and_named_up_to_twelve():
    twins = tuple(f"made-up:{number}" for number in range(2, 17))
    card = Structure(one(Hit(1, 0.5, study("Clear lungs."), identical=twins))).text
    assert "×16 identical" in card
    assert "made-up:13 and 3 more" in card
    assert "made-up:14" not in card


def test_no_hit_says_what_to_do():
    result = SearchResult(Query(text="q"), "pocket", "report", "cosine", "made-up", "report", (), 0.1)
    assert "Widen the age range" in render.answer(result)


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


@pytest.mark.parametrize(
    ("verdict", "sign"), [("agrees", "✓"), ("contradicts", "✗"), ("uncertain", "?"), ("not mentioned", "–")]
)
def test_each_finding_asked_for_has_a_sign_and_a_word_for_its_verdict(verdict, sign):
    asked = Finding("Pleural Effusion", "present", "", "left", "small", "query", 0, 1)
    hit = Hit(1, 0.5, study("x"), agreement=(Agreement(asked, verdict, None),))
    page = Structure(one(hit))
    assert f"{sign} small left pleural effusion" in page.text
    assert verdict in page.values


def test_a_denied_finding_is_named_with_its_denial():
    asked = Finding("Pneumothorax", "absent", "", "", "", "query", 0, 1)
    hit = Hit(1, 0.5, study("x"), agreement=(Agreement(asked, "agrees", None),))
    assert "✓ no pneumothorax" in Structure(one(hit)).text


def test_a_caution_stands_above_the_hits_for_everybody_to_hear():
    result = SearchResult(Query(text="q"), "pocket", "image", "cosine", "made-up", "report", (), 0.1)
    warned = render.answer(replace(result, caution="This is no chest."))
    assert warned.startswith('<p class="status alert" role="alert">This is no chest.</p>')
    assert "alert" not in render.answer(result)
