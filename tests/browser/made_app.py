"""The app on the made-up engine whose rankers disagree, for the pages that put answers side by side."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from explorer.settings import Settings
from explorer.ui.launch import Door, closed_environment, serve

SWITCH = """async (page) => {
    document.querySelector(`#top nav [data-page=${page}]`).click();
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}"""


@contextmanager
def made_app(folder: Path) -> Iterator[str]:
    """Serve it, with everything it keeps in a folder; yield its address."""
    with closed_environment():
        from made_comparison import ComparingExplorer

        from explorer.ui.blocks import build_blocks

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = Settings(cache=folder / "cache", data=folder / "data")
        blocks = build_blocks(ComparingExplorer(settings=settings))  # type: ignore[arg-type]
        yield serve(blocks, Door(port=port), upload_bytes=2**20, blocked=())
        blocks.close(verbose=False)


def opened(context: BrowserContext, address: str, name: str) -> Page:
    """Open a page of the app, and fail on an error in its scripts."""
    page = context.new_page()
    page.goto(f"{address}?show={name}")
    page.wait_for_function("document.body.dataset.ready === 'yes'")
    return page


def thread_time(page: Page, name: str) -> float:
    """Milliseconds of the page's thread to change to another page: computing time, whatever else the machine does."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1_000 * next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    before = spent()
    page.evaluate(SWITCH, name)
    return spent() - before


def sideways(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def focused(page: Page, what: str) -> str | None:
    """An attribute of the element that has the focus."""
    return page.evaluate("what => document.activeElement.getAttribute(what)", what)
