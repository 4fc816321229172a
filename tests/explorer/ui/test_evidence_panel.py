from __future__ import annotations

import base64
import re

import gradio as gr
import numpy as np
import pytest
from made_explorer import FakeExplorer, film

from explorer.evidence import HeatMap
from explorer.ui import evidence_html
from explorer.ui.evidence import EvidencePanel


@pytest.fixture(scope="module")
def panel():
    with gr.Blocks():
        return EvidencePanel(FakeExplorer())


def heat(row, column, shape=(6, 9), towards="openi:7"):
    values = np.zeros(shape, dtype=np.float32)
    values[row, column] = 1
    return HeatMap(values, towards, 0.318, "cosine", "pocket")


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (0, 0, "upper third, the patient's right"),
        (3, 4, "middle third, the middle"),
        (5, 8, "lower third, the patient's left"),
        (2, 3, "middle third, the middle"),
    ],
)
def test_the_peak_is_told_in_words_with_sides_as_films_are_hung(row, column, words):
    assert evidence_html.place_of(heat(row, column)) == words


def test_the_map_goes_to_the_browser_cell_by_cell():
    html = evidence_html.evidence(heat(1, 2))
    cells = np.frombuffer(base64.b64decode(re.search('data-heat="([^"]+)"', html)[1]), dtype=np.uint8)
    assert cells.reshape(6, 9)[1, 2] == 255
    assert cells.sum() == 255
    assert 'data-width="9" data-height="6" data-row="1" data-column="2"' in html
    assert ".32 cosine" in html.replace("0.32", ".32")
    assert "by pocket" in html
    assert 'type="range"' in html


def test_a_map_without_any_evidence_says_so_and_shows_no_slider():
    empty = HeatMap(np.zeros((4, 4), dtype=np.float32), "effusion", 0.1, "cosine", "pocket")
    html = evidence_html.evidence(empty)
    assert "No place of this film speaks for effusion" in html
    assert "range" not in html


def test_what_a_person_typed_is_text_and_no_markup():
    html = evidence_html.evidence(heat(0, 0, towards='<img src=x onerror="1">'))
    assert "<img" not in html
    assert "&lt;img" in html


def test_a_hit_and_a_phrase_are_looked_for_on_the_film(panel):
    assert "Speaks for <strong>made-up:1037</strong>" in panel.towards_study("made-up:1037", film(), "pocket", "report")
    assert "Speaks for <strong>effusion</strong>" in panel.towards_phrase(" effusion ", film(), "pocket", "findings")


def test_an_encoder_that_reads_no_films_leaves_the_film_to_one_that_does(panel):
    assert "by pocket" in panel.towards_phrase("effusion", film(), "bm25", "report")


def test_without_a_film_or_a_phrase_nothing_is_asked(panel):
    assert panel.towards_study("made-up:1037", None, "pocket", "report") == evidence_html.nothing_yet()
    assert panel.towards_phrase("  ", film(), "pocket", "report") == evidence_html.nothing_yet()
    assert panel.towards_phrase("effusion", None, "pocket", "report") == evidence_html.nothing_yet()
    assert panel.towards_phrase(None, film(), "pocket", "report") == evidence_html.nothing_yet()
    assert panel.towards_study(None, film(), "pocket", "report") == evidence_html.nothing_yet()


def test_a_phrase_that_cannot_be_looked_for_is_refused_in_place(panel):
    assert 'role="alert"' in panel.towards_phrase("break", film(), "pocket", "report")
