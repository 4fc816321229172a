from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from explorer import results
from explorer.ui.launch import Door, closed_environment, serve

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SWITCH = """async (page) => {
    document.querySelector(`#top nav [data-page=${page}]`).click();
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}"""


@contextmanager
def served(folder: Path, **parts: object) -> Iterator[str]:
    """The app on the made-up engine, with other parts than its own, and the result files of a folder."""
    with closed_environment():
        from made_explorer import FakeExplorer

        from explorer.ui.blocks import build_blocks

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        blocks = build_blocks(FakeExplorer(**parts), folder)  # type: ignore[arg-type]
        yield serve(blocks, Door(port=port), upload_bytes=2**20, blocked=())
        blocks.close(verbose=False)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from made_results import write

    folder = write(tmp_path_factory.mktemp("results"))
    shutil.copy(results.FOLDER / "paper.json", folder)
    with served(folder) as address:
        yield address


@pytest.fixture
def page(measured: str, context: BrowserContext) -> Page:
    return opened(context, f"{measured}?show=results")


def opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    page.wait_for_function("document.body.dataset.ready === 'yes'")
    page.wait_for_selector("#measured section", state="attached")
    return page


def cell(page: Page, encoder: str, column: int):
    return page.locator(f"#measured tr:has(th:text-is('{encoder}')) td:visible").nth(column)


def said(page: Page) -> str:
    return page.locator("#measured .said").first.inner_text()


def work(page: Page, name: str) -> float:
    """Milliseconds of the page's thread to change to another page: computing time, whatever else the machine does."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1_000 * next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    before = spent()
    page.evaluate(SWITCH, name)
    return spent() - before


def test_a_figure_is_read_in_full_under_the_pointer_and_at_the_keys(page):
    resting = said(page)
    assert "95 % interval" in resting

    best = page.locator("#measured tbody .best").first
    best.hover()
    assert "pocket, task 1 omitted (all), recall@1: 0.361; 95 % interval 0.328 – 0.394, n 672" in said(page)
    page.mouse.move(2, 2)
    assert said(page) == resting

    page.locator("#measured thead button").last.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert "base, task 1 omitted (all), recall@1: 0.058; 95 % interval 0.025 – 0.090" in said(page)
    assert "pocket is 0.304 above (p < 0.0001, p < 0.0001 by Holm’s correction)" in said(page)
    assert page.evaluate("document.activeElement.title").startswith("95 % interval 0.025")
    page.keyboard.press("Tab")
    assert said(page) == resting


def test_another_part_brings_its_own_figures_columns_and_chart(page):
    heads = page.locator("#measured thead").first.locator("button:visible")
    before = heads.count()
    page.select_option("#measured select[data-task='3']", "false negation")
    assert heads.count() == before - 1  # two measures of the whole give way to one of the category
    assert (
        page.locator("#measured thead").first.locator("th[colspan]:has(select)").nth(1).get_attribute("colspan") == "1"
    )

    heads.filter(has_text="pairwise").click()
    assert "Task 3 · True against false impression · pairwise accuracy · false negation" in page.inner_text(
        "#measured .chart:visible figcaption"
    )
    page.select_option("#measured select[data-task='3']", "unseen")
    assert "accuracy (strict) · unseen · n 248" in page.inner_text("#measured .chart:visible figcaption")
    assert page.locator("#measured .chart:visible circle").count() == 5


def test_pages_change_at_once_and_the_address_brings_them_back(measured, context):
    page = opened(context, measured)
    page.fill("#query textarea", "sm R PTX")
    page.press("#query textarea", "Enter")
    page.wait_for_selector("#results .hit")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    assert max(work(page, name) for name in ("results", "search") * 3) < 200
    assert asked == []
    assert page.locator("#results .hit").count() == 10
    assert page.input_value("#query textarea") == "sm R PTX"

    page.focus("#top nav [data-page=results]")
    page.keyboard.press("Enter")
    assert page.is_visible("#measured table >> nth=0")
    assert not page.is_visible("#query")
    assert page.title() == "Results · CXR Report Explorer"
    page.reload()
    page.wait_for_selector("#measured table")
    assert page.get_attribute("#top nav [aria-current]", "data-page") == "results"
    page.go_back()
    assert page.is_visible("#query")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_table_scrolls_in_its_own_box_and_keeps_its_first_column(page, width):
    page.set_viewport_size({"width": width, "height": 844})
    box = page.locator("#measured .wide").first
    name = box.locator("tbody th").first
    before = name.bounding_box()
    box.evaluate("box => { box.scrollLeft = 300; }")
    assert box.evaluate("box => box.scrollLeft") > 0
    assert name.bounding_box()["x"] == before["x"]
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_before_anything_is_measured_the_page_says_the_command(tmp_path, context):
    shutil.copy(results.FOLDER / "paper.json", tmp_path)
    with served(tmp_path) as address:
        page = opened(context, f"{address}?show=results")
        assert "python -m training.evaluate" in page.inner_text("#measured .empty")
        assert page.locator("#measured .reported").first.locator("tbody tr").count() == 12


def test_a_task_that_the_chosen_corpus_has_no_texts_for_cannot_be_chosen_and_a_line_says_why(tmp_path, context):
    from made_explorer import CORPUS

    others = (replace(CORPUS, name="findings-alone", title="Findings alone", sections={"findings": 900}),)
    with served(tmp_path, others=others) as address:
        page = opened(context, f"{address}?show=results")
        page.select_option("#measured .again [name=task]", "2")
        page.select_option("#measured .again [name=corpus]", "findings-alone")
        assert page.input_value("#measured .again [name=task]") == "1"
        assert page.locator("#measured .again option:disabled").evaluate_all("all => all.map(one => one.value)") == [
            "2",
            "3",
        ]
        assert "Findings alone has no impression: Tasks 2 and 3" in page.inner_text("#measured .again .lacks")
        page.select_option("#measured .again [name=corpus]", "made-up")
        assert page.locator("#measured .again option:disabled").count() == 0
        assert not page.is_visible("#measured .again .lacks")
