from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from made_app import focused, made_app, opened, sideways, thread_time
from playwright.sync_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

NOTE = "sm R PTX s/p CT to WS"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with made_app(tmp_path_factory.mktemp("made")) as address:
        yield address


@pytest.fixture
def page(address: str, context: BrowserContext) -> Page:
    return opened(context, address, "compare")


def ask(page: Page, text: str = NOTE) -> None:
    page.fill("#compare-query textarea", text)
    page.press("#compare-query textarea", "Enter")
    page.wait_for_selector("#compare-answer .card:visible")
    page.wait_for_selector("#compare-status .status:not(.busy)")


def columns(page: Page):
    return page.locator("#compare .columns:visible .column")


def test_rankers_stand_side_by_side_with_lines_between_equal_studies(page):
    ask(page)
    assert columns(page).locator("h3").all_inner_texts() == ["pocket", "base", "bm25"]
    assert columns(page).locator(".card").count() == 30

    line = columns(page).nth(1).locator("line").first
    study = line.get_attribute("data-study")
    ends = [columns(page).nth(number).locator(f"[data-study='{study}'].card").bounding_box() for number in (0, 1)]
    box = line.bounding_box()
    middles = sorted(end["y"] + end["height"] / 2 for end in ends)
    assert box["y"] == pytest.approx(middles[0], abs=2)
    assert box["y"] + box["height"] == pytest.approx(middles[1], abs=2)

    columns(page).first.locator(f"[data-study='{study}'].card").hover()
    assert page.locator("#compare .columns:visible [data-lit].card").count() >= 2
    assert line.get_attribute("data-lit") == ""


def test_a_count_names_its_findings_under_the_pointer(page):
    ask(page)
    line = columns(page).first.locator(".says")
    resting = line.inner_text()
    assert resting == "of 20: 2 findings asked × 10 reports"
    columns(page).first.locator(".counts .contradicts").hover()
    assert re.fullmatch(r".*pneumothorax \d+.* \(of 10 reports\)", line.inner_text())
    page.mouse.move(2, 2)
    assert line.inner_text() == resting


def test_the_long_form_brings_its_own_columns_and_overlaps(page):
    ask(page)
    typed = [card.get_attribute("aria-label") for card in columns(page).first.locator(".card").all()]
    numbers = page.inner_text("#compare .overlaps")
    page.get_by_role("button", name="long form").click()
    assert [card.get_attribute("aria-label") for card in columns(page).first.locator(".card").all()] != typed
    assert page.inner_text("#compare .overlaps") != numbers


def test_a_comparison_without_a_mouse(page):
    page.keyboard.press("/")
    page.keyboard.type(NOTE)
    page.keyboard.press("Enter")
    page.wait_for_selector("#compare-answer .card:visible")
    first = columns(page).first.locator(".card").first
    for _ in range(40):
        page.keyboard.press("Tab")
        if "card" in (focused(page, "class") or ""):
            break
    assert focused(page, "data-study") == first.get_attribute("data-study")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    there = columns(page).nth(1).locator(".card").nth(1)
    assert focused(page, "aria-label") == there.get_attribute("aria-label")

    page.keyboard.press("Enter")
    sheet = page.locator("#compare .sheet")
    assert sheet.is_visible()
    assert there.locator(".id").inner_text().split()[0] in sheet.inner_text()
    page.keyboard.press("j")
    assert columns(page).nth(1).locator(".card").nth(2).locator(".id").inner_text().split()[0] in sheet.inner_text()
    page.keyboard.press("Escape")
    assert not sheet.is_visible()
    assert "card" in focused(page, "class")


def test_one_ranker_is_refused_in_place_and_two_are_answered(page):
    for name in ("base", "bm25"):
        page.locator("#compare-rankers label", has_text=name).click()
    page.fill("#compare-query textarea", NOTE)
    page.press("#compare-query textarea", "Enter")
    page.wait_for_selector("#compare-status [role=alert]")
    assert "Choose 2 to 4 different rankers" in page.inner_text("#compare-status")
    page.locator("#compare-rankers label", has_text="minilm").click()
    ask(page)
    assert columns(page).count() == 2


def test_long_work_shows_how_far_it_is_and_stops_when_told(page):
    page.fill("#compare-query textarea", "slow note")
    page.press("#compare-query textarea", "Enter")
    page.wait_for_selector("#compare-status progress[value]")
    assert "Encoding reports with" in page.inner_text("#compare-status")
    page.click("#compare-stop")
    page.wait_for_selector("#compare-status .status:not(.busy)", timeout=3_000)
    assert page.inner_text("#compare-status") == "Stopped."
    page.wait_for_timeout(1_000)
    assert page.inner_text("#compare-status") == "Stopped."
    assert page.is_visible("#compare-ask")
    ask(page)  # the engine is free again


def test_a_set_is_run_opened_and_brought_to_review(page):
    page.fill("#compare-pasted textarea", f"{NOTE}\nRLL PNA vs atx, no eff\nno acute cp process")
    page.click("#compare-run")
    page.wait_for_selector("#compare-table table")
    page.wait_for_function("!document.querySelector('#compare-set-status .busy')")
    rows = page.locator("#compare-table [data-row]")
    shares = [float(text) for text in page.locator("#compare-table .far b").all_inner_texts()]
    assert len(shares) == 3
    assert shares == sorted(shares, reverse=True)

    rows.first.focus()
    page.keyboard.press("ArrowDown")
    second = rows.nth(1).inner_text()
    page.keyboard.press("Enter")
    page.wait_for_selector("#compare-answer .card:visible")
    assert page.input_value("#compare-query textarea") == second

    page.click("#compare-table .send")
    page.wait_for_selector("#review [data-brought]")
    assert "3 queries from Compare" in page.inner_text("#review .brought")
    boxes = page.locator("#review input[name=encoder]:checked")
    assert boxes.evaluate_all("all => all.map((one) => one.value)") == ["pocket", "base", "bm25"]


def test_an_empty_set_is_refused_in_place(page):
    page.click("#compare-run")
    page.wait_for_selector("#compare-set-status [role=alert]")
    assert "no query in the set" in page.inner_text("#compare-set-status")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_window_and_changes_in_place(page, width):
    page.set_viewport_size({"width": width, "height": 844})
    ask(page)
    assert sideways(page) <= 0
    assert page.locator("#compare-pasted textarea").bounding_box()["height"] > 60
    tops = [column.locator(".card").first.bounding_box()["y"] for column in columns(page).all()]
    assert max(tops) - min(tops) < 1  # the lines count on it
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    assert max(thread_time(page, name) for name in ("search", "compare", "abbreviations", "compare")) < 200
    assert asked == []
    assert columns(page).locator(".card").count() == 30
