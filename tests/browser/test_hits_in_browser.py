"""The Search page on the made-up engine, in a real Chromium: what a reader does with hits, films, filters and links."""

from __future__ import annotations

import csv
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from explorer.settings import Settings
from explorer.ui.launch import Door, closed_environment, serve

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

NOTE = "sm R PTX s/p CT to WS"
CONTRAST = """() => {
    const light = (channel) => {
        const share = channel / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    };
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const luminance = ([red, green, blue]) => 0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = numbers(getComputedStyle(at).backgroundColor);
            if (colour.length < 4 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.querySelectorAll('gradio-app *')) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        const box = element.getBoundingClientRect();
        if (box.width < 2 || box.height < 2) continue;
        const [text, behind] = [numbers(getComputedStyle(element).color), ground(element)].map(luminance);
        const ratio = (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
        const words = element.textContent.trim().slice(0, 30);
        if (ratio < 4.5) poor.push(`${element.tagName}.${element.className} "${words}" ${ratio.toFixed(2)}`);
    }
    return poor;
}"""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with closed_environment():
        from made_explorer import FakeExplorer

        from explorer.ui.blocks import build_blocks

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = Settings(cache=folder / "cache", data=folder / "data")
        blocks = build_blocks(FakeExplorer(settings=settings))  # type: ignore[arg-type]
        yield serve(blocks, Door(port=port), upload_bytes=2**20, blocked=())
        blocks.close(verbose=False)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("kept")) as address:
        yield address


@pytest.fixture
def page(address: str, context: BrowserContext) -> Page:
    return opened(context, address)


def opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    page.wait_for_function("document.body.dataset.ready === 'yes'")
    return page


@contextmanager
def answer(page: Page) -> Iterator[None]:
    """Wait until what is done inside is answered in place of what stood there before."""
    page.evaluate("document.querySelector('#status .status')?.setAttribute('data-old', '')")
    yield
    page.wait_for_selector("#status .status:not(.busy, [data-old])")
    page.wait_for_timeout(50)  # a frame, in which the first hit is selected


def ask(page: Page, text: str = NOTE) -> None:
    page.fill("#query textarea", text)
    with answer(page):
        page.press("#query textarea", "Enter")


def drop_film(page: Page) -> None:
    page.set_input_files("#drop input[type=file]", [{"name": "f.png", "mimeType": "image/png", "buffer": b"film"}])
    page.wait_for_selector("#film figure[data-drawn]")
    page.wait_for_selector("#status .status:not(.busy)")


def status(page: Page) -> str:
    return page.inner_text("#status .status")


def why(page: Page) -> str:
    return page.inner_text("#why-box")


def leave(page: Page) -> None:
    page.evaluate("document.activeElement.blur()")


def test_the_column_beside_the_hits_says_why_the_selected_one_is_there(page):
    page.evaluate("window.told = []; addEventListener('cxr:hit', (event) => told.push(event.detail))")
    ask(page)
    first = page.get_attribute("#results .hit", "data-study")
    assert first in why(page)
    assert "your findings" in why(page)
    assert page.locator("#why-box tr.contradicts").count() == 1
    assert page.locator("#results .hit >> nth=0").locator("mark.contradicts").inner_text() == "pneumothorax"

    page.locator("#results .hit >> nth=1").click()
    second = page.locator("#results .hit").nth(1).get_attribute("data-study")
    assert second in why(page)
    assert page.evaluate("told.slice(-2)") == [first, second]


def test_with_the_keyboard_alone_a_reader_asks_reads_goes_on_and_comes_back(page):
    leave(page)
    page.keyboard.press("/")
    page.keyboard.type(NOTE)
    with answer(page):
        page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.querySelector('.rank').textContent") == "2"
    page.keyboard.press("Enter")
    assert page.locator("#why-box details.original").get_attribute("open") is not None
    study = page.evaluate("document.activeElement.dataset.study")
    with answer(page):
        page.keyboard.press("m")
    assert f"like {study}" in status(page)
    leave(page)
    page.keyboard.press("?")
    assert page.is_visible("#keys")
    page.keyboard.press("Escape")
    assert not page.is_visible("#keys")
    with answer(page):
        page.keyboard.press("u")
    assert "for this text" in status(page)
    assert page.input_value("#query textarea") == NOTE


def test_undo_brings_back_question_and_choices_and_the_list_any_of_them(page):
    ask(page, "sm R PTX")
    with answer(page):
        page.click("#k label >> nth=0")
    assert page.locator("#results .hit").count() == 5
    ask(page, "no eff")
    assert page.inner_text("#visited summary") == "3 questions of this visit"
    with answer(page):
        page.click("#visited [data-act=undo]")
    assert page.input_value("#query textarea") == "sm R PTX"
    with answer(page):
        page.click("#visited [data-act=undo]")
    assert page.locator("#results .hit").count() == 10
    assert page.is_checked("#k label >> nth=1")

    ask(page, "no eff")
    page.click("#visited summary")
    with answer(page):
        page.click("#visited [data-again='0']")
    assert page.input_value("#query textarea") == "sm R PTX"


def test_filters_narrow_the_answer_are_counted_beside_it_and_taken_back(page):
    ask(page)
    page.click("#finding input")
    page.keyboard.type("lung op")
    with answer(page):
        page.click(".option-list >> text=Lung Opacity · present")
    assert "1 filter" in status(page)
    assert (
        page.locator("#results .hit:has-text('reticular opacities')").count() == page.locator("#results .hit").count()
    )
    with answer(page):
        page.click("#sex label:has-text('M')")
    assert "2 filters" in status(page)
    with answer(page):
        page.click("[data-act=unfilter]")
    assert "filter" not in status(page)
    assert page.locator("#finding .token").count() == 0


def test_a_finding_of_a_hit_is_left_out_by_one_click(page):
    ask(page, "retic opac")
    page.locator("#results .hit:has-text('reticular')").first.click()
    with answer(page):
        page.click("#why-box [data-without=Fibrosis]")
    assert page.inner_text("#without .token").strip().startswith("Fibrosis")
    assert page.locator("#results .hit:has-text('fibrosis')").count() == 0
    assert page.locator("#results .hit").count() == 10


def test_the_hits_are_saved_by_the_browser_as_csv_and_json(page):
    ask(page)
    shown = page.eval_on_selector_all("#results .hit", "hits => hits.map((hit) => hit.dataset.study)")
    with page.expect_download() as saved:
        page.click("[data-act=csv]")
    lines = saved.value.path().read_text(encoding="utf-8-sig")
    assert saved.value.suggested_filename == "cxr-hits.csv"
    assert [row["id"] for row in csv.DictReader(lines.splitlines(keepends=True))] == shown
    with page.expect_download() as saved:
        page.click("[data-act=json]")
    assert [hit["id"] for hit in json.loads(saved.value.path().read_bytes())["hits"]] == shown


def test_the_address_brings_the_choices_back_but_no_question_unless_its_link_was_copied(page, address, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page)
    with answer(page):
        page.click("#scope label:has-text('impression')")
    with answer(page):
        page.click("#encoder label:has-text('BM25')")
    assert "encoder=bm25" in page.url
    assert "section=impression" in page.url
    assert "PTX" not in page.url
    page.reload()
    page.wait_for_selector("#scope label.selected:has-text('impression')")
    assert page.is_checked("#encoder label:has-text('BM25')")
    assert page.locator("#results .hit").count() == 0

    ask(page)
    page.click("[data-act=link]")
    page.wait_for_selector("[data-act=link]:has-text('copied')")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.endswith("#q=sm%20R%20PTX%20s%2Fp%20CT%20to%20WS")
    other = opened(context, link)
    other.wait_for_selector("#results .hit")
    assert other.input_value("#query textarea") == NOTE
    assert "BM25" in status(other)
    assert "#" not in other.url


def test_a_sentence_is_copied_as_the_source_wrote_it(page, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, "retic opac")
    page.locator("#results .hit:has-text('residual right apical')").first.click()
    page.click("#why-box details.original summary")
    page.click("#why-box .line [data-copy*='wide']")
    page.wait_for_selector("#why-box .line :text('copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "A thin pleural line remains at the right apex, about XXXX wide, smaller than before."


def test_the_film_is_windowed_by_drag_zoomed_moved_flipped_and_reset(page):
    page.evaluate(
        "window.drawn = 0; addEventListener('cxr:film-drawn', ({ detail }) => { drawn += detail.canvas.width > 9; })"
    )
    drop_film(page)
    page.wait_for_selector("#film canvas.heat")  # the evidence for the first hit is asked for by itself, a moment later
    leave(page)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    fresh = picture(page)
    box = page.locator("#film canvas:not(.heat)").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 90, steps=4)
    page.mouse.up()
    assert picture(page) != fresh
    assert page.locator("#film [data-centre][aria-pressed=true]").count() == 0

    page.mouse.wheel(0, -100)
    page.keyboard.press("f")
    assert page.inner_text("#film .state") == "flipped: left is right · × 1.3"
    before = stage(page)
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(box["x"] + 180, box["y"] + 110, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    assert stage(page) != before
    page.keyboard.press("e")
    assert page.locator("#film canvas:not(.heat)").bounding_box()["height"] > 500
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    assert picture(page) == fresh
    assert page.inner_text("#film .state") == ""
    assert stage(page) == "translate(0px, 0px) scale(1, 1)"
    assert page.evaluate("drawn") > 5
    assert asked == []


def test_a_film_and_a_text_are_asked_together_under_a_weight(page):
    drop_film(page)
    page.fill("#query textarea", NOTE)
    with answer(page):
        page.click("#by-both")
    assert "for this text and film, 50% film" in status(page)
    page.focus("#weight input[type=range]")
    with answer(page):
        page.keyboard.press("End")
        page.locator("#weight input[type=range]").dispatch_event("pointerup")
    assert "100% film" in status(page)


def test_long_work_is_stopped_in_place_and_the_next_question_answered(page):
    page.fill("#query textarea", "endless note")
    page.press("#query textarea", "Enter")
    page.wait_for_selector("#status .busy:has-text('Preparing vectors')")
    page.click("#stop")
    page.wait_for_selector("#status .status:has-text('Stopped')")
    page.wait_for_timeout(1_500)  # a step that came late would show again
    assert "Stopped" in status(page)
    ask(page)
    assert page.locator("#results .hit").count() == 10


def test_what_goes_wrong_is_said_in_place(page):
    page.fill("#query textarea", "break")
    with answer(page):
        page.press("#query textarea", "Enter")
    assert "ran out of memory" in page.inner_text("#status [role=alert]")
    ask(page, "the kettle")
    assert page.inner_text("#results .nothing").startswith("Nothing similar.")


def test_on_a_narrow_screen_the_column_is_a_sheet_that_gives_the_focus_back(page):
    page.set_viewport_size({"width": 390, "height": 844})
    ask(page)
    assert not page.is_visible("#why-box")
    leave(page)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    assert page.is_visible("#why-box table")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.keyboard.press("Escape")
    assert not page.is_visible("#why-box")
    assert page.evaluate("document.activeElement.querySelector('.rank').textContent") == "1"


@pytest.mark.parametrize("width", [1280, 390])
def test_answers_and_the_way_back_move_nothing_that_stands_around_them(page, width):
    page.set_viewport_size({"width": width, "height": 844})
    page.fill("#query textarea", NOTE)
    page.wait_for_selector("#reading .reading")
    before = places(page)
    ask(page)
    assert places(page) == before
    with answer(page):
        page.evaluate("dispatchEvent(new CustomEvent('cxr:do', { detail: { what: 'like', which: 'made-up:1037' } }))")
    assert page.is_visible("#visited [data-act=undo]")
    assert places(page) == before


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_text_stands_out_from_its_ground_by_aa(page, theme):
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    assert page.evaluate(CONTRAST) == []
    drop_film(page)
    ask(page)
    ask(page, "CM w/ mild pulm edema, b/l eff L>R")
    page.locator("#results .hit >> nth=1").click()
    page.click("#why-box details.original summary")
    page.click("#visited summary")
    assert page.evaluate(CONTRAST) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.click("[data-act=options]")
    assert page.evaluate(CONTRAST) == []


def test_the_order_of_the_focus_is_question_then_film_then_options_then_hits(page):
    ask(page)
    page.focus("#query textarea")
    found = []
    for _ in range(60):
        page.keyboard.press("Tab")
        part = page.evaluate("document.activeElement.closest('#ask, #examples, #side, #results, #why')?.id ?? ''")
        if part and part not in found:
            found.append(part)
        if part == "results":
            break
    assert found == ["ask", "examples", "side", "results"]
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('#page :is(button, input, textarea, canvas, summary)')]
            .filter((one) => one.checkVisibility() && !one.closest('#drop'))
            .filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length || one.title
                               || one.closest('label, [aria-label]')))
            .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert unnamed == []


def picture(page: Page) -> list[int]:
    """Grey values along the middle row of the film as it is painted."""
    return page.evaluate(
        """() => {
            const canvas = document.querySelector("#film canvas");
            const row = canvas.getContext("2d").getImageData(0, canvas.height >> 1, canvas.width, 1).data;
            return [...row].filter((_, index) => index % 4 === 0);
        }"""
    )


def stage(page: Page) -> str:
    return page.evaluate("document.querySelector('#film .stage').style.transform")


def places(page: Page) -> dict[str, dict[str, float]]:
    page.evaluate("scrollTo(0, 0)")
    parts = {part: page.locator(f"#{part}").bounding_box() for part in ("top", "query", "side", "status", "results")}
    return {part: {side: box[side] for side in ("x", "y", "width")} for part, box in parts.items()}
