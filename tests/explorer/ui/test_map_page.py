from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from made_map import QUICK_MAP, MappedExplorer

from explorer import projection
from explorer.errors import BadQuery
from explorer.mapping import Cartographer, MapOrder, between
from explorer.projection import MapSettings
from explorer.settings import Settings
from explorer.types import Query
from explorer.ui.map_html import as_data
from explorer.ui.map_page import MapPage

OPTIONS = ("pocket", "none", "made-up", "report", "none", 15, 0.1, 12)


@pytest.fixture
def page(tmp_path, monkeypatch) -> MapPage:
    monkeypatch.setattr(projection, "_START", QUICK_MAP)
    with gr.Blocks():
        return MapPage(MappedExplorer(settings=Settings(cache=tmp_path), count=60), gr.State(None))


def bits(rows) -> str:
    chosen = np.zeros(60, np.uint8)
    chosen[list(rows)] = 1
    return base64.b64encode(np.packbits(chosen, bitorder="little").tobytes()).decode()


def sent(**data: object) -> SimpleNamespace:
    return SimpleNamespace(_data=data)


def drawn(page: MapPage, *options: object, asked: Query | None = None):
    updates = list(page.make(asked, *(options or OPTIONS)))
    [order] = [one[page.drawn] for one in updates if page.drawn in one]
    return order, updates


def message(page: MapPage, update) -> dict:
    return json.loads(update[page.said])


def test_a_map_is_drawn_with_progress_and_says_what_it_keeps(page):
    order, updates = drawn(page)
    assert order == MapOrder(("pocket",), "made-up")
    assert any("Laying out" in str(one.get(page.status)) for one in updates)
    said = next(one[page.status] for one in updates if page.cloud in one)
    assert "31% of the 15 nearest kept" in said
    assert "chance 0.4%" in said
    cloud = next(json.loads(one[page.cloud])["cloud"] for one in updates if page.cloud in one)
    assert len(cloud["ids"]) == 60


def test_what_was_drawn_is_shown_again_and_nothing_is_drawn_unasked(page):
    assert list(page.show(None, None)) == [{page.status: ""}]
    drawn(page)
    assert any(page.cloud in update for update in page.show(None, None))


@pytest.mark.parametrize(
    "wrong",
    [
        {0: "bm25"},
        {0: "nobody"},
        {1: "pocket"},
        {3: "indication"},
        {4: "both"},
        {5: 14},
        {6: "much"},
        {7: None},
    ],
)
def test_settings_the_page_does_not_offer_are_refused_in_place(page, wrong):
    options = [wrong.get(place, value) for place, value in enumerate(OPTIONS)]
    *_, last = page.make(None, *options)
    assert 'role="alert"' in last[page.status]
    assert page.drawn not in last


def test_a_selection_is_counted_listed_and_saved(page):
    order, _ = drawn(page)
    told = message(page, page.choose(order, sent(rows=bits(range(0, 60, 6)))))["selection"]
    assert told["count"] == 10
    assert {"finding": "Pleural Effusion", "selected": 10, "all": 10} in told["findings"]
    file = message(page, page.save(order, sent(rows=bits([0, 7]), format="json")))["file"]
    assert [one["id"] for one in json.loads(base64.b64decode(file["body"]))] == ["made-up:0", "made-up:7"]


def test_a_point_is_answered_from_the_original_space(page):
    order, _ = drawn(page)
    told = message(page, page.pick(order, sent(row=7, panel=0)))["point"]
    index = page.explorer.vectors("pocket")
    similar = index.vectors @ index.vectors[7]
    best = [row for row in np.argsort(-similar, kind="stable") if row != 7][:10]
    assert [near["row"] for near in told["near"]] == best
    assert told["id"] == "made-up:7"


@pytest.mark.parametrize(
    "forged",
    [{}, {"row": "7", "panel": 0}, {"row": 60, "panel": 0}, {"row": -1, "panel": 0}, {"row": 1, "panel": 4}],
)
def test_a_forged_point_is_refused(page, forged):
    order, _ = drawn(page)
    assert 'role="alert"' in page.pick(order, sent(**forged))[page.status]


@pytest.mark.parametrize("forged", [{"rows": "?"}, {"rows": None}, {"rows": bits([1]), "format": "exe"}])
def test_a_forged_selection_is_refused(page, forged):
    order, _ = drawn(page)
    assert 'role="alert"' in page.save(order, sent(**forged))[page.status]


def test_without_a_map_nothing_can_be_picked(page):
    assert "Draw it again" in page.choose(None, sent(rows=bits([1])))[page.status]


def test_the_query_lies_between_its_hits_on_each_panel(page):
    _, updates = drawn(page, "pocket", "minilm", *OPTIONS[2:], asked=Query(text="sm R PTX"))
    told = message(page, updates[-1])["query"]
    assert len(told) == 2
    assert [row for row, _ in told[0]["near"]][:2] == [7, 13]
    assert told[0]["x"] != told[1]["x"]


def test_a_query_lies_in_the_middle_of_two_equal_hits():
    panel = SimpleNamespace(places=np.array([[0, 0], [4, 2]], np.float32))
    assert between(panel, [(0, 0.5), (1, 0.5)]) == pytest.approx((2, 1))


def test_one_map_shows_one_or_two_encoders():
    with pytest.raises(BadQuery):
        MapOrder(("a", "b", "c"), "made-up")
    with pytest.raises(BadQuery):
        MapOrder(("a", "a"), "made-up")


def test_films_are_offered_for_encoders_that_read_them_and_words_have_no_map(page):
    maps = Cartographer(page.explorer)
    assert maps.encoders() == ["pocket", "base", "minilm"]
    assert maps.film_encoders() == ["pocket"]
    with pytest.raises(BadQuery, match="no map of bm25"):
        maps.draw(MapOrder(("bm25",), "made-up", settings=MapSettings()))


def test_data_inside_a_page_cannot_end_the_element_it_stands_in():
    text = "</script><script>window.__x=1</script><!-- &amp; \u2028"
    inside = as_data({"text": text})
    assert not set("<>&") & set(inside)
    assert json.loads(inside) == {"text": text}
