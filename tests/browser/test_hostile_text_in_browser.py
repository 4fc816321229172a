"""Text that would run if it were taken for code, in every place a stranger can put text, on every page."""

from __future__ import annotations

import base64
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / "security"), str(TESTS / "explorer" / "review"), str(TESTS / "explorer" / "intake")]

from house import House, house  # noqa: E402
from made_films import dataset, file_of, wedge  # noqa: E402

from explorer.ui.launch import closed_environment  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PAYLOADS = (
    "<script>window.__x=1</script>",
    "<img src=x onerror=window.__x=1>",
    '"><img src=x onerror=window.__x=1>',
    "'><svg onload=window.__x=1>",
    "<svg/onload=window.__x=1>",
    "<iframe srcdoc='<script>parent.__x=1</script>'></iframe>",
    "<a href=javascript:window.__x=1>x</a>",
    '" onmouseover="window.__x=1',
    "' autofocus onfocus='window.__x=1",
    "</p></li></ol><img src=x onerror=window.__x=1>",
    "<!-- --><img src=x onerror=window.__x=1>",
    "]]><img src=x onerror=window.__x=1>",
    "<style>*{display:none}</style>",
    "<base href=//example.org>",
    "<details open ontoggle=window.__x=1>x</details>",
    "<math><mi xlink:href=javascript:window.__x=1>x</mi></math>",
    "<video><source onerror=window.__x=1></video>",
    "<body onload=window.__x=1>",
    "<input autofocus onfocus=window.__x=1>",
    "${window.__x=1}",
    "{{constructor.constructor('window.__x=1')()}}",
    "`${window.__x=1}`",
    "javascript:window.__x=1",
    "&lt;img src=x onerror=window.__x=1&gt;",
    "\u202e<img src=x onerror=window.__x=1>\u202c",
    "\\u003cimg src=x onerror=window.__x=1\\u003e",
)
PATIENCE = 90_000  # ms: the machine may be busy


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The product over reports, and a review over candidates, that all carry one of the texts."""
    from made_review import made_cases, made_review

    from explorer.review.store import ReviewStore

    folder = tmp_path_factory.mktemp("hostile")
    store = ReviewStore.open(folder / "data")
    cases = [
        replace(
            case,
            query=PAYLOADS[number],
            truth=PAYLOADS[number + 5],
            candidates=tuple(
                replace(candidate, text=f"{candidate.text} {PAYLOADS[(3 * number + place) % len(PAYLOADS)]}")
                for place, candidate in enumerate(case.candidates)
            ),
        )
        for number, case in enumerate(made_cases())
    ]
    store.create(replace(made_review(), title=PAYLOADS[1]), cases)
    store.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with closed_environment() as uploads, house(folder, uploads, port, marks=PAYLOADS) as served:
        yield served


@pytest.fixture
def page(hostile: House, context) -> Iterator[Page]:
    page, dialogs, hosts = context.new_page(), [], set()
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: hosts.add(request.url.split("/")[2].split(":")[0]))
    opened(page, hostile, "search")
    yield page
    assert page.evaluate("window.__x") is None
    assert dialogs == []
    assert hosts - {""} == {"127.0.0.1"}
    assert page.evaluate("getComputedStyle(document.querySelector('#top')).display") != "none"
    assert page.evaluate("document.baseURI").startswith(hostile.address)


def opened(page: Page, hostile: House, name: str) -> None:
    page.goto(f"{hostile.address}?show={name}")
    page.wait_for_function("document.body.dataset.ready === 'yes'", timeout=PATIENCE)


def asked(page: Page, text: str) -> None:
    page.evaluate("document.querySelector('#status .status')?.setAttribute('data-old', '')")
    page.fill("#query textarea", text)
    page.press("#query textarea", "Enter")
    page.wait_for_selector("#status .status:not(.busy, [data-old])", timeout=PATIENCE)


def touched(page: Page) -> None:
    """Move over, focus and open everything: some code waits for that."""
    page.evaluate(
        """() => document.querySelectorAll('#page *, #results *, main *').forEach((one) => {
            for (const kind of ['mouseover', 'mouseenter', 'focus', 'toggle', 'click'])
                if (kind !== 'click' || one.tagName === 'SUMMARY') one.dispatchEvent(new Event(kind));
        })"""
    )
    page.wait_for_timeout(200)


def test_no_report_runs_anything_on_the_search_page(page):
    page.click("#k label >> nth=3")  # fifty hits: all reports are shown
    asked(page, "effusion pneumothorax clear nodule device")
    assert page.locator("#results .hit").count() == 40
    shown = page.inner_text("#results")
    assert sum(payload in shown for payload in PAYLOADS) >= 20
    touched(page)


def test_no_query_runs_anything(page):
    for payload in PAYLOADS:
        asked(page, f"{payload} nodule sm PTX")
    touched(page)


def test_no_file_name_runs_anything(page):
    film = base64.b64encode(file_of(dataset(np.roll(wedge(12, False), 3, axis=1), 12))).decode()
    for payload in (PAYLOADS[1], PAYLOADS[4], PAYLOADS[7]):
        transfer = page.evaluate_handle(
            """([name, data]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], name));
                return transfer;
            }""",
            [f"{payload}.dcm", film],
        )
        page.dispatch_event("#drop button", "drop", {"dataTransfer": transfer})
        page.wait_for_selector("#film figure", timeout=PATIENCE)
        touched(page)


@pytest.mark.parametrize("name", ["compare", "abbreviations", "map", "review", "results"])
def test_nothing_runs_on_any_other_page(page, hostile, name):
    opened(page, hostile, name)
    fields = page.locator("textarea:visible, input[type=text]:visible, input:not([type]):visible")
    for number in range(min(fields.count(), 4)):
        if fields.nth(number).is_enabled() and fields.nth(number).is_editable():
            fields.nth(number).fill(PAYLOADS[number + 1][:60])
            fields.nth(number).press("Enter")
    page.wait_for_timeout(1_500)
    touched(page)


def test_a_review_of_hostile_reports_runs_nothing(page, hostile):
    opened(page, hostile, "review")
    page.wait_for_selector("#review [name=reviewer]", timeout=PATIENCE)
    page.fill("#review [name=reviewer]", PAYLOADS[1])
    page.click("#review [data-do=sit]")
    page.wait_for_selector("#review .case", timeout=PATIENCE)
    for _ in range(4):  # the practice and the three cases
        touched(page)
        page.click("#review [data-do=next]")
        page.wait_for_timeout(700)
    assert "window.__x=1" in page.inner_text("#review")
    page.click("#review [data-do=leave]")
    page.wait_for_selector("#review [data-do=results]", timeout=PATIENCE)
    page.click("#review [data-do=results]")
    page.wait_for_timeout(1_000)
    touched(page)


def test_hovering_over_the_map_runs_nothing(page, hostile):
    opened(page, hostile, "map")
    page.click("#map-draw")
    page.wait_for_selector("section.cloud[data-drawn]", timeout=5 * PATIENCE)
    box = page.locator(".cloud .plot").first.bounding_box()
    for step in range(60):
        page.mouse.move(
            box["x"] + box["width"] * (0.05 + 0.9 * (step % 10) / 9),
            box["y"] + box["height"] * (0.1 + 0.8 * (step // 10) / 5),
        )
        page.wait_for_timeout(30)
    touched(page)
