"""The README's pictures: `make pictures`. They show made-up reports, since no text of a corpus is kept here.

The Results page shows the figures that were measured.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "explorer" / "ui")]

from explorer.ui.launch import Door, closed_environment, serve  # noqa: E402

PORT = 7_871
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


def main() -> None:
    with closed_environment() as folder, sync_playwright() as playwright:
        from made_explorer import FakeExplorer

        from explorer.ui.blocks import build_blocks

        blocks = build_blocks(FakeExplorer())  # type: ignore[arg-type]
        address = serve(blocks, Door(port=PORT), upload_bytes=2**20, blocked=())
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        page.wait_for_function("document.body.dataset.ready === 'yes'")
        ask(page)
        page.screenshot(path=ROOT / "docs" / "search.png")
        drop_film(page, folder)
        page.screenshot(path=ROOT / "docs" / "film.png")
        page.click("#top nav [data-page=results]")
        page.screenshot(path=ROOT / "docs" / "results.png")
        browser.close()
        blocks.close(verbose=False)


if __name__ == "__main__":
    main()
