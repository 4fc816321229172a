"""The README's pictures: `make pictures`. They show made-up reports, since no text of a corpus is kept here.

The Results page shows the figures that were measured.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
MADE = ROOT / "tests" / "explorer"
sys.path[:0] = [str(ROOT), str(MADE / "ui"), str(MADE / "review")]

from explorer.settings import Settings  # noqa: E402
from explorer.ui.launch import Door, closed_environment, serve  # noqa: E402

PORT = 7_871
PATIENCE = 120_000  # ms
NOTE = "sm R PTX s/p CT to WS, BLLF retic opac"


def ask(page: Page) -> None:
    page.fill("#query textarea", NOTE)
    page.press("#query textarea", "Enter")
    page.wait_for_selector("#results .hit")
    page.wait_for_selector("#reading ruby")


def drop_film(page: Page, folder: Path) -> None:
    file = folder / "film.png"
    file.write_bytes(b"film")
    page.set_input_files("#drop input[type=file]", str(file))
    page.wait_for_selector("#film figure[data-drawn]")
    page.wait_for_timeout(800)


def compare(page: Page) -> None:
    show(page, "compare")
    page.fill("#compare-query textarea", NOTE)
    page.press("#compare-query textarea", "Enter")
    page.wait_for_selector("#compare-answer .card:visible")


def abbreviations(page: Page) -> None:
    show(page, "abbreviations")
    page.fill("#abbreviated textarea", NOTE)
    page.wait_for_selector("#note ruby")
    page.press("#abbreviated textarea", "Enter")
    page.wait_for_selector("#moves .card")


def draw_map(page: Page) -> None:
    show(page, "map")
    page.click("#map-draw")
    page.wait_for_selector("section.cloud[data-drawn]", timeout=PATIENCE)


def show(page: Page, name: str) -> None:
    page.click(f"#top nav [data-page={name}]")
    page.wait_for_timeout(400)


def picture(page: Page, name: str) -> None:
    page.mouse.move(2, 2)
    page.wait_for_timeout(600)
    page.screenshot(path=ROOT / "docs" / f"{name}.png")


def opened(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(address)
    return page


def app_pictures(browser: Browser, address: str, folder: Path) -> None:
    page = opened(browser, address)
    page.wait_for_function("document.body.dataset.ready === 'yes'")
    ask(page)
    picture(page, "search")
    drop_film(page, folder)
    picture(page, "film")
    compare(page)
    picture(page, "compare")
    abbreviations(page)
    picture(page, "abbreviations")
    show(page, "results")
    picture(page, "results")


def map_picture(browser: Browser, address: str) -> None:
    page = opened(browser, address)
    page.wait_for_function("document.body.dataset.ready === 'yes'")
    draw_map(page)
    picture(page, "map")


def review_picture(browser: Browser, address: str) -> None:
    page = opened(browser, address)
    page.wait_for_selector("#review[data-stage]")
    page.fill("#review [name=reviewer]", "AB")
    page.click("#review [data-do=sit]")
    page.wait_for_selector("#review .case")
    picture(page, "review")


def main() -> None:
    with (
        closed_environment() as folder,
        tempfile.TemporaryDirectory() as kept,
        sync_playwright() as playwright,
    ):
        from made_comparison import ComparingExplorer
        from made_map import MappedExplorer

        from explorer.ui.blocks import build_blocks
        from explorer.ui.door import build_door

        settings = Settings(cache=Path(kept) / "cache", data=Path(kept) / "data")
        add_review(settings.data)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        app, mapped = (build_blocks(made(settings=settings)) for made in (ComparingExplorer, MappedExplorer))
        app_pictures(browser, serve(app, Door(port=PORT), upload_bytes=2**20, blocked=()), folder)
        map_picture(browser, serve(mapped, Door(port=PORT + 1), upload_bytes=2**20, blocked=()))
        door = build_door(settings.data)
        review_picture(browser, serve(door, Door(port=PORT + 2), upload_bytes=2**20, blocked=()))
        for blocks in (app, mapped, door):
            blocks.close(verbose=False)
        browser.close()


def add_review(folder: Path) -> None:
    from made_review import made_cases, made_review

    from explorer.review.store import ReviewStore

    store = ReviewStore.open(folder)
    store.create(made_review(), made_cases(("one", "two", "three")))
    store.close()


if __name__ == "__main__":
    main()
