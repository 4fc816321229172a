"""The real app in a process of its own, driven through a real browser."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "explorer" / "ui"))  # the made-up engine and results
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FIRST_ANSWER = 800_000  # ms: the first query may have to prepare the vectors of the whole corpus


@dataclass(frozen=True)
class App:
    """A running app and the places where it could leave something behind."""

    address: str
    temporary: Path
    log: Path


@dataclass
class Reader:
    """Someone who sits before the page."""

    page: Page
    hosts: set[str] = field(default_factory=set)  # every host the page asked for anything
    dialogs: list[str] = field(default_factory=list)

    def ask(self, text: str) -> None:
        self.page.fill("#query textarea", text)
        with self.answer():
            self.page.press("#query textarea", "Enter")

    @contextmanager
    def answer(self) -> Iterator[None]:
        """Wait until the question asked inside is answered, or refused, in place of what stood there before."""
        self.page.evaluate("document.querySelector('#status .status')?.setAttribute('data-old', '')")
        yield
        self.page.wait_for_selector("#status .status:not(.busy, [data-old])", timeout=FIRST_ANSWER)

    def drop(self, name: str, data: bytes) -> None:
        """Drop a file on the drop zone the way a mouse does."""
        transfer = self.page.evaluate_handle(
            """([name, data]) => {
                const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
                const transfer = new DataTransfer();
                transfer.items.add(new File([bytes], name));
                return transfer;
            }""",
            [name, base64.b64encode(data).decode("ascii")],
        )
        self.page.dispatch_event("#drop button", "drop", {"dataTransfer": transfer})

    def hits(self) -> list[str]:
        return self.page.locator("#results .hit").all_inner_texts()


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    temporary, log = tmp_path_factory.mktemp("temporary"), tmp_path_factory.mktemp("log") / "app.log"
    spied = log.with_name("hosts")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "tests/browser/watched_app.py", str(spied), "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            assert process.stdout is not None
            said = process.stdout.readline().decode()
            assert f"http://127.0.0.1:{port}" in said, log.read_text()
            yield App(f"http://127.0.0.1:{port}/", temporary, log)
        finally:
            process.send_signal(signal.SIGTERM)
            ended = process.wait(timeout=15)
    assert ended == 0
    assert [path for path in temporary.rglob("*") if path.is_file()] == []
    assert spied.read_text() == ""  # in all that the tests did, no other machine was asked


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.fail("There is no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that a container's root has not.
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    yield context
    context.close()


@pytest.fixture
def reader(app: App, context: BrowserContext) -> Reader:
    reader = Reader(context.new_page())
    reader.page.on("request", lambda request: reader.hosts.add(request.url.split("/")[2].split(":")[0]))
    reader.page.on("dialog", lambda dialog: (reader.dialogs.append(dialog.message), dialog.dismiss()))
    reader.page.goto(app.address)
    reader.page.wait_for_function("document.body.dataset.ready === 'yes'")
    return reader
