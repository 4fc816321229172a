"""The Map page in a real browser, over made-up reports: what a mouse draws reaches the engine and comes back."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from conftest import ROOT  # noqa: F401  puts the made-up engine on the path
from made_map import QUICK_MAP, MappedExplorer
from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser

PATIENCE = 60_000  # ms: the machine may be busy
ISLAND = 50  # studies of each kind


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from explorer import projection
    from explorer.settings import Settings
    from explorer.ui.launch import Door, closed_environment, serve

    before, projection._START = projection._START, QUICK_MAP
    with closed_environment():
        from explorer.ui.blocks import build_blocks

        engine = MappedExplorer(settings=Settings(cache=tmp_path_factory.mktemp("cache")))
        blocks = build_blocks(engine)
        yield serve(blocks, Door(port=_free_port()), upload_bytes=10**6, blocked=(engine.settings.cache,))
        blocks.close(verbose=False)
    projection._START = before


@dataclass
class Map:
    """The map as somebody with a mouse sees it."""

    page: Page

    def draw(self) -> Map:
        self.page.click("#map-draw")
        return self.drawn()

    def drawn(self) -> Map:
        self.page.wait_for_selector("section.cloud[data-drawn]", timeout=PATIENCE)
        self.page.wait_for_timeout(300)
        return self

    def spot(self, x: float, y: float, panel: int = 0) -> tuple[float, float]:
        """Return where on the screen a place of the map is."""
        found = self.page.evaluate(
            """([x, y, panel]) => {
                const div = document.querySelectorAll('.cloud .plot')[panel];
                const { xaxis, yaxis, _size } = div._fullLayout;
                const box = div.getBoundingClientRect();
                return [box.left + _size.l + xaxis.l2p(x), box.top + _size.t + yaxis.l2p(y)];
            }""",
            [x, y, panel],
        )
        return found[0], found[1]

    def island(self, kind: int, panel: int = 0) -> tuple[float, float]:
        """Return the middle of an island of the made-up vectors, which are scaled to length one."""
        rows = [row for row in range(300) if row % 6 == kind]
        return tuple(
            self.page.evaluate(
                """([rows, panel]) => {
                    const { data } = document.querySelectorAll('.cloud .plot')[panel];
                    const points = data.filter((trace) => trace.rows).flatMap(
                        (trace) => trace.rows.map((row, at) => [row, trace.x[at], trace.y[at]]));
                    const own = points.filter(([row]) => rows.includes(row));
                    const mean = (at) => own.reduce((sum, point) => sum + point[at], 0) / own.length;
                    return [mean(1), mean(2)];
                }""",
                [rows, panel],
            )
        )

    def lasso(self, x: float, y: float, reach: float, panel: int = 0) -> None:
        """Drag a real mouse around a place."""
        inwards = math.atan2(-y, -x)  # begins inside the plot, also around an island at its edge
        corners = [inwards + math.radians(15 * step) for step in range(25)]
        path = [self.spot(x + reach * math.cos(a), y + reach * math.sin(a), panel) for a in corners]
        mouse = self.page.mouse
        mouse.move(*path[0])
        mouse.down()
        for place in path[1:]:
            mouse.move(*place, steps=2)
        mouse.up()

    def hover(self, x: float, y: float) -> None:
        """Move a real mouse to a point until its card is there."""
        for _ in range(20):
            across, down = self.spot(x, y)
            self.page.mouse.move(across - 12, down)
            self.page.mouse.move(across, down, steps=4)
            self.page.wait_for_timeout(300)
            if self.page.locator(".cloud-card").is_visible():
                return
        raise AssertionError("no card")

    def around(self) -> None:
        """Drag a real mouse around everything, along the edge of the plot."""
        box = self.page.locator(".cloud .plot").first.bounding_box()
        left, top, right, bottom = box["x"] + 3, box["y"] + 3, box["x"] + box["width"] - 3, box["y"] + box["height"] - 3
        self.page.mouse.move(left, top)
        self.page.mouse.down()
        for place in ((right, top), (right, bottom), (left, bottom), (left, top + 4)):
            self.page.mouse.move(*place, steps=6)
        self.page.mouse.up()

    def heading(self) -> str:
        self.page.wait_for_selector(".cloud-side h2", timeout=PATIENCE)
        return self.page.inner_text(".cloud-side h2")

    def wait_for(self, heading: str) -> None:
        self.page.wait_for_function(
            "(text) => document.querySelector('.cloud-side h2')?.textContent === text", arg=heading, timeout=PATIENCE
        )

    def row_of_table(self, finding: str) -> str:
        return self.page.inner_text(f".cloud-side tr:has(th:text-is('{finding}')) td")

    def export(self, kind: str) -> bytes:
        with self.page.expect_download(timeout=PATIENCE) as download:
            self.page.click(f"[data-save={kind}]")
        assert download.value.suggested_filename == f"selection.{kind}"
        return Path(download.value.path()).read_bytes()


@pytest.fixture
def chart(address: str, context: BrowserContext) -> Iterator[Map]:
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
    page.goto(f"{address}?show=map")
    page.wait_for_function("document.body.dataset.ready === 'yes'", timeout=PATIENCE)
    yield Map(page)
    assert faults == []
    assert page.evaluate("window.__x") is None


def test_plotly_is_asked_for_only_when_a_map_is_drawn_and_from_this_server_only(address, context):
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_function("document.body.dataset.ready === 'yes'", timeout=PATIENCE)
    assert not [url for url in asked if "plotly" in url]
    page.click("#top nav a[data-page=map]")
    Map(page).draw()
    assert [url for url in asked if "plotly" in url] == [f"{address}scripts/plotly.js"]
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)


def test_a_lasso_around_an_island_is_listed_counted_and_exported(chart):
    chart.draw().page.click("[data-tool=lasso]")
    chart.lasso(*chart.island(0), 0.3)
    assert chart.heading() == f"{ISLAND} of 300 studies"
    assert chart.row_of_table("Pleural Effusion") == f"{ISLAND} / {ISLAND}"
    assert chart.row_of_table("Pneumothorax") == f"0 / {ISLAND}"
    assert chart.page.locator(".cloud-side .studies li").count() == ISLAND
    ids = {f"made-up:{row}" for row in range(0, 300, 6)}

    rows = list(csv.DictReader(io.StringIO(chart.export("csv").decode("utf-8-sig"))))
    assert {row["id"] for row in rows} == ids
    assert list(rows[0])[:4] == ["id", "text", "x", "y"]
    assert {row["Pleural Effusion"] for row in rows} == {"present"}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@"))]

    assert {row["id"] for row in json.loads(chart.export("json"))} == ids

    table = parquet.read_table(io.BytesIO(chart.export("parquet")))
    assert set(table.column("id").to_pylist()) == ids
    assert [str(table.schema.field(name).type) for name in ("text", "x", "y")] == ["string", "double", "double"]


def test_a_second_lasso_and_a_box_work_as_the_first_did(chart):
    chart.draw().page.click("[data-tool=lasso]")
    chart.lasso(*chart.island(0), 0.3)
    chart.wait_for(f"{ISLAND} of 300 studies")
    x, y = chart.island(3)
    chart.lasso(x, y, 0.3)
    chart.page.wait_for_function(
        "document.querySelector('.cloud-side .study b')?.textContent === 'made-up:3'", timeout=PATIENCE
    )
    chart.page.click("[data-tool=select]")
    x, y = chart.island(1)
    chart.page.mouse.move(*chart.spot(x - 0.3, y + 0.3))
    chart.page.mouse.down()
    chart.page.mouse.move(*chart.spot(x + 0.3, y - 0.3), steps=8)
    chart.page.mouse.up()
    chart.page.wait_for_function(
        "document.querySelector('.cloud-side .study b')?.textContent === 'made-up:1'", timeout=PATIENCE
    )
    assert chart.heading() == f"{ISLAND} of 300 studies"


def test_a_group_that_is_hidden_is_not_taken_and_hiding_takes_it_out_of_a_selection(chart):
    page = chart.draw().page
    page.select_option("[data-role=colour]", "Pneumothorax")
    page.click("[data-tool=lasso]")
    chart.around()
    chart.wait_for("300 of 300 studies")
    page.click(".cloud-legend button:has-text('not mentioned')")
    chart.wait_for("100 of 300 studies")
    assert "50 / 50" in page.inner_text(".cloud-legend li:has-text('present')")
    page.click(".cloud-legend button:has-text('absent')")
    chart.wait_for("50 of 300 studies")
    page.click("[data-tool=clear] >> nth=0")
    chart.around()
    chart.wait_for("50 of 300 studies")
    assert chart.row_of_table("Pneumothorax") == "50 / 50"


def test_a_click_shows_the_report_and_lines_to_its_neighbours_in_the_original_space(chart):
    page = chart.draw().page
    page.click("[data-tool=lasso]")
    chart.lasso(*chart.island(0), 0.3)
    chart.wait_for(f"{ISLAND} of 300 studies")
    point = page.evaluate(
        """() => {
            const trace = document.querySelector('.cloud .plot').data.find((one) => one.rows?.includes(40));
            const at = trace.rows.indexOf(40);
            return [trace.x[at], trace.y[at]];
        }"""
    )
    chart.hover(*point)
    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector(".studies.near", timeout=PATIENCE)
    picked = chart.heading()
    near = page.locator(".studies.near .study b").all_inner_texts()
    from explorer.index import ReportIndex

    index: ReportIndex = MappedExplorer().vectors("pocket")
    [found] = index.search(index.vector_of(picked), 11, None)
    assert near == [one.id for one in found if one.id != picked]
    lines = page.evaluate("document.querySelector('.cloud .plot').data.find((one) => one.mode === 'lines').x.length")
    assert lines == 3 * len(near)
    page.click("[data-tool=clear] >> nth=0")
    assert page.locator(".cloud-side").is_hidden()
    assert page.evaluate("document.querySelector('.cloud .plot').data.every((one) => one.mode !== 'lines')")


def test_two_encoders_stand_side_by_side_and_share_the_selection(chart):
    page = chart.page
    page.click("#map-beside input")
    page.click("#map-beside [role=option]:has-text('minilm')")
    chart.draw()
    page.wait_for_selector("figure[data-panel='1'] .plot[data-drawn]", timeout=PATIENCE)
    page.wait_for_timeout(500)
    assert page.locator(".cloud-plots figcaption").all_inner_texts() == ["pocket", "minilm"]
    page.click("[data-tool=lasso]")
    chart.lasso(*chart.island(2, panel=1), 0.3, panel=1)
    assert chart.heading() == f"{ISLAND} of 300 studies"
    marked = page.evaluate(
        """() => [...document.querySelectorAll('.cloud .plot')].map((div) => div.data.filter((one) => one.rows)
            .flatMap((one) => one.selectedpoints.map((at) => one.rows[at])).sort((a, b) => a - b))"""
    )
    assert marked == [list(range(2, 300, 6))] * 2
    header = chart.export("csv").decode("utf-8-sig").splitlines()[0]
    assert "x_minilm,y_minilm" in header


def test_words_are_found_marked_and_selected_without_a_mouse(chart):
    page = chart.draw().page
    page.fill("[data-role=seek]", "enlarged CARDIAC")
    page.wait_for_function(
        "document.querySelector('[data-tool=found]').textContent.startsWith('50 found')", timeout=PATIENCE
    )
    page.press("[data-role=seek]", "Tab")
    page.keyboard.press("Enter")
    chart.wait_for("50 of 300 studies")
    assert chart.row_of_table("Cardiomegaly") == "50 / 50"


def test_text_that_looks_like_markup_is_shown_as_text(chart):
    page = chart.draw().page
    page.click("[data-tool=lasso]")
    chart.lasso(*chart.island(5), 0.3)
    chart.wait_for(f"{ISLAND} of 300 studies")
    listed = page.inner_text(".cloud-side .studies")
    assert "<img src=x onerror=" in listed
    assert "<script>" in page.evaluate("document.querySelector('.cloud-side').textContent") or "{{7*7}}" in listed
    assert page.locator(".cloud-side img, .cloud-side script, .cloud-side svg").count() == 0


def test_the_query_of_the_search_page_is_drawn_with_lines_to_its_hits(chart):
    page = chart.draw().page
    page.click("#top nav a[data-page=search]")
    page.fill("#query textarea", "sm R PTX")
    page.press("#query textarea", "Enter")
    page.wait_for_selector("#results .hit", timeout=PATIENCE)
    page.click("#top nav a[data-page=map]")
    page.wait_for_function(
        "document.querySelector('.cloud .plot').data.some((one) => one.name === 'query')", timeout=PATIENCE
    )
    lines = page.evaluate("document.querySelector('.cloud .plot').data.find((one) => one.mode === 'lines').x.length")
    assert lines == 3 * 10


def test_a_hit_of_the_search_page_is_picked_out_on_the_map_also_where_none_is_drawn_yet(chart):
    page = chart.page
    page.click("#top nav a[data-page=search]")
    page.fill("#query textarea", "sm R PTX")
    page.press("#query textarea", "Enter")
    page.wait_for_selector("#results .hit[aria-current]", timeout=PATIENCE)
    first, second = (page.locator("#results .hit").nth(at).get_attribute("data-study") for at in (0, 1))
    page.click("#why-box [data-act=onmap]")
    assert page.get_attribute("html", "data-page") == "map"
    if not page.locator("section.cloud[data-drawn]").count():
        chart.draw()
    chart.wait_for(first)
    assert page.evaluate("document.querySelector('.cloud .plot').data.some((one) => one.name === 'picked')")
    kinds = page.evaluate("document.querySelector('.cloud .plot').data.map((one) => one.type)")
    assert set(kinds) == {"scattergl"}, "what Plotly draws as SVG lies beneath the points"

    page.click("#top nav a[data-page=search]")
    page.locator("#results .hit").nth(1).focus()
    page.click("#why-box [data-act=onmap]")
    chart.wait_for(second)


def test_a_map_that_was_moved_is_fitted_again(chart):
    page = chart.draw().page
    page.click("[data-tool=fit]")
    before = chart.spot(0, 0)
    page.mouse.move(*before)
    page.mouse.down()
    page.mouse.move(before[0] + 90, before[1] + 60, steps=6)
    page.mouse.up()
    page.wait_for_timeout(500)
    assert chart.spot(0, 0) == pytest.approx((before[0] + 90, before[1] + 60), abs=3)
    page.click("[data-tool=fit]")
    page.wait_for_timeout(500)
    assert chart.spot(0, 0) == pytest.approx(before, abs=3)


def test_a_map_in_the_making_can_be_stopped_and_leaves_the_page_usable(chart, monkeypatch):
    from explorer import projection

    monkeypatch.setattr(projection, "_START", "import time; print('0.2 Laying out', flush=True); time.sleep(600)")
    page = chart.page
    page.click("#map-near label:has-text('50')")
    page.click("#map-draw")
    page.wait_for_selector("#map-status .busy:has-text('Laying out')", timeout=PATIENCE)
    page.click("#map-stop")
    page.wait_for_selector("#map-status .status:has-text('Stopped')", timeout=PATIENCE)
    page.wait_for_timeout(2_000)
    monkeypatch.setattr(projection, "_START", QUICK_MAP)
    chart.draw()
    page.wait_for_selector("#map-status .status:has-text('50 neighbours')", timeout=PATIENCE)


def test_a_map_that_was_drawn_is_there_when_the_page_is_opened_again(chart):
    chart.draw()
    chart.page.goto(chart.page.url)
    chart.drawn()
    assert "31% of the 15 nearest kept" in chart.page.inner_text("#map-status")


@pytest.fixture
def alone(tmp_path: Path, context: BrowserContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[Map]:
    """The file that `python -m explorer map` writes, opened from the disk with the network off."""
    from made_explorer import CORPUS

    from explorer import projection
    from explorer.mapping import Cartographer, MapOrder
    from explorer.settings import Settings
    from explorer.ui.map_file import written

    monkeypatch.setattr(projection, "_START", QUICK_MAP)
    maps = Cartographer(MappedExplorer(settings=Settings(cache=tmp_path / "cache")))
    order = MapOrder(("pocket", "minilm"), CORPUS.name)
    file = tmp_path / "map.html"
    file.write_text(written(maps.draw(order), maps.indexes(order), CORPUS), encoding="utf-8")
    context.set_offline(True)
    page = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_function("document.body.dataset.ready === 'yes'", timeout=PATIENCE)
    yield Map(page)
    assert [url for url in asked if not url.startswith((file.as_uri(), "blob:", "data:"))] == []
    assert faults == []
    assert page.evaluate("window.__x") is None


def test_a_file_alone_lists_counts_and_exports_a_lasso(alone):
    page = alone.drawn().page
    assert "31% of the 15 nearest kept" in page.inner_text("body")
    assert "Not for clinical use" in page.inner_text("footer")
    page.click("[data-tool=lasso]")
    alone.lasso(*alone.island(0), 0.3)
    assert alone.heading() == f"{ISLAND} of 300 studies"
    assert alone.row_of_table("Pleural Effusion") == f"{ISLAND} / {ISLAND}"
    assert page.locator("[data-save]").all_inner_texts() == ["CSV", "JSON"]
    rows = list(csv.DictReader(io.StringIO(alone.export("csv").decode("utf-8-sig"), newline="")))
    assert {row["id"] for row in rows} == {f"made-up:{row}" for row in range(0, 300, 6)}
    assert list(rows[0])[:4] == ["id", "text", "x", "y"]
    assert {row["id"] for row in json.loads(alone.export("json"))} == {row["id"] for row in rows}


def test_a_file_alone_knows_the_neighbours_and_finds_words(alone):
    page = alone.drawn().page
    page.fill("[data-role=seek]", "enlarged CARDIAC")
    page.wait_for_function(
        "document.querySelector('[data-tool=found]').textContent.startsWith('50 found')", timeout=PATIENCE
    )
    page.click("[data-tool=found]")
    alone.wait_for("50 of 300 studies")
    page.click(".cloud-side .study >> nth=0")
    page.wait_for_selector(".studies.near", timeout=PATIENCE)
    index = MappedExplorer().vectors("pocket")
    [found] = index.search(index.vector_of("made-up:3"), 11, None)
    near = page.locator(".studies.near .study b").all_inner_texts()
    assert near == [one.id for one in found if one.id != "made-up:3"]


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
