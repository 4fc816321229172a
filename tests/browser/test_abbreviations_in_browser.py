from __future__ import annotations

from collections.abc import Iterator

import pytest
from made_app import focused, made_app, opened, sideways, thread_time
from playwright.sync_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

NOTE = "sm R PTX s/p CT to WS, r/o PE vs PNA; QXT"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with made_app(tmp_path_factory.mktemp("made")) as address:
        yield address


@pytest.fixture
def page(address: str, context: BrowserContext) -> Page:
    return opened(context, address, "abbreviations")


def write(page: Page, text: str = NOTE) -> None:
    page.fill("#abbreviated textarea", text)
    page.wait_for_selector("#note ruby")


def ask(page: Page) -> None:
    page.press("#abbreviated textarea", "Enter")
    page.wait_for_selector("#moves .card")
    page.wait_for_selector("#moves-status .stays")


def short(page: Page, name: str):
    return page.locator("#note .short", has_text=name).first


def test_a_note_is_read_as_it_is_typed_and_a_reading_switched_by_click_moves_its_reports(page):
    write(page)
    assert page.locator("#note rt").all_inner_texts()[:3] == ["small", "right", "pneumothorax"]
    assert page.inner_text("#note .unknowns li") == "QXT"
    ask(page)
    stay = int(page.inner_text("#moves-status .stays").split()[0])
    assert page.locator("#moves line").count() == stay

    short(page, "CT").click()
    panel = page.locator("#note [data-readings]:visible")
    assert "Decided by s/p to WS" in panel.inner_text()
    panel.get_by_role("radio", name="computed tomography").click()
    page.wait_for_selector("#moves .asked:has-text('status post computed tomography')")
    assert "status post computed tomography" in page.inner_text("#note .full")
    assert "Read as you chose" in page.locator("#note [data-readings]:visible").inner_text()


def test_every_encoder_is_asked_how_far_its_reports_move(page):
    write(page)
    ask(page)
    assert page.locator("#stay-table .none").count() == 3
    page.click("#stay-ask")
    page.wait_for_function("!document.querySelector('#stay-table .none')")
    rows = page.locator("#stay-table tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["pocket", "base", "minilm", "bm25"]
    assert all("of 10 stay" in row for row in rows)
    page.wait_for_selector("#stay-ask", state="hidden")


def test_a_note_without_a_mouse(page):
    page.keyboard.press("/")
    page.keyboard.type(NOTE)
    page.wait_for_selector("#note ruby >> nth=7")
    page.keyboard.press("Enter")
    page.wait_for_selector("#moves-status .stays")
    for _ in range(30):
        page.keyboard.press("Tab")
        if focused(page, "data-span") == "4":
            break
    assert focused(page, "aria-label") == "CT: chest tube, 3 readings"
    page.keyboard.press("Enter")
    assert focused(page, "aria-expanded") == "true"
    page.keyboard.press("Tab")
    while focused(page, "data-choose") is None:
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert focused(page, "data-long") == "computed tomography"
    page.keyboard.press("Enter")
    page.wait_for_selector("#note [data-long='computed tomography'][aria-checked=true]")
    page.wait_for_function("document.activeElement.dataset.long === 'computed tomography'")
    page.keyboard.press("Escape")
    assert focused(page, "data-span") == "4"
    assert page.locator("#note [data-readings]:visible").count() == 0


def test_a_note_without_short_forms_is_told_in_place(page):
    page.fill("#abbreviated textarea", "Small pneumothorax.")
    page.press("#abbreviated textarea", "Enter")
    page.wait_for_selector("#moves-status [role=alert]")
    assert "no report moves" in page.inner_text("#moves-status")
    assert page.locator("#moves .card").count() == 0


def test_long_work_stops_when_told(page):
    write(page, f"slow note {NOTE}")
    page.press("#abbreviated textarea", "Enter")
    page.wait_for_selector("#moves-status progress[value]")
    page.click("#moves-stop")
    page.wait_for_timeout(1_500)  # a last step may still have been on its way
    assert page.inner_text("#moves-status") == "Stopped."
    write(page)
    ask(page)  # the engine is free again


def test_the_glossary_is_there_on_demand_and_searched_as_one_types(page):
    assert page.locator("#glossary table").count() == 0
    page.fill("#glossary-query input", "chest tube")
    page.wait_for_function(
        "[...document.querySelectorAll('#glossary tbody')].every((entry) => /chest tube/.test(entry.innerText))"
        " && document.querySelector('#glossary tbody')"
    )
    page.fill("#glossary-query input", "qqxt")
    page.wait_for_selector("#glossary .empty")
    assert "It is not guessed." in page.inner_text("#glossary .empty")
    page.fill("#glossary-query input", "")
    page.wait_for_selector("#glossary tbody >> nth=39")
    page.click("#glossary-more")
    page.wait_for_selector("#glossary tbody >> nth=239")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_window_and_changes_in_place(page, width):
    page.set_viewport_size({"width": width, "height": 844})
    write(page)
    ask(page)
    assert sideways(page) <= 0
    assert page.is_visible("#glossary-query input")
    assert max(thread_time(page, name) for name in ("search", "abbreviations", "compare", "abbreviations")) < 200
    assert page.locator("#moves .card").count() == 20
