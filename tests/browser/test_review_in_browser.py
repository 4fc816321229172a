from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page
from recording_proxy import Recorder, recording

from explorer.settings import Settings
from explorer.ui.launch import Door, closed_environment, serve

ROOT = Path(__file__).parents[2]
sys.path.append(str(Path(__file__).parents[1] / "explorer" / "review"))  # made-up reviews

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

MODELS = ("zephyrine", "quillon", "marabout")  # Reports 1 2 3 of case 1; 2 3 1 of case 2; 3 1 2 of case 3
AB = ((1, 2, 2), (1, 2, 3), (2, 1, 1))  # a reviewer's ranks of Report 1, 2, 3 in each case
CD = ((3, 1, 2), (1, 1, 3), (1, 2, 3))
TABLE = [  # by hand: AB gives zephyrine 1 2 1, quillon 2 3 3, marabout 2 1 1; CD gives 3 1 3, 1 3 1, 2 1 2
    ["model", "AB mean rank", "AB #1", "AB n", "CD mean rank", "CD #1", "CD n"],
    ["marabout", "1.3333", "2", "3", "1.6667", "1", "3"],
    ["zephyrine", "1.3333", "2", "3", "2.3333", "1", "3"],
    ["quillon", "2.6667", "0", "3", "1.6667", "2", "3"],
]


@contextmanager
def served(blocks) -> Iterator[tuple[str, Recorder]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve(blocks, Door(port=port), upload_bytes=2**20, blocked=())
    with recording(port) as (through, recorder):
        yield f"http://127.0.0.1:{through}/", recorder
    blocks.close(verbose=False)


@pytest.fixture
def data(tmp_path):
    from made_review import made_cases, made_review

    from explorer.review.store import ReviewStore

    store = ReviewStore.open(tmp_path / "data")
    store.create(made_review(), made_cases(MODELS))
    store.close()
    return tmp_path / "data"


@pytest.fixture
def door(data):
    with closed_environment():
        from explorer.ui.door import build_door

        with served(build_door(data)) as (address, recorder):
            yield address, recorder


@pytest.fixture
def people(browser):
    """Opens a window for one more person, who reads answers as they are sent."""
    contexts = []

    def person(address: str) -> Page:
        context = browser.new_context(
            viewport={"width": 1280, "height": 860}, extra_http_headers={"Accept-Encoding": "identity"}
        )
        contexts.append(context)
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#review[data-stage]")  # the script has taken the first screen in
        return page

    yield person
    for context in contexts:
        context.close()


def acting(page: Page, act, selector="#review .case, #review .sheet"):
    """Do something that brings another screen, and wait for it."""
    before = page.get_attribute("#review", "data-stage")
    act()
    page.wait_for_function("before => document.querySelector('#review').dataset.stage !== before", arg=before)
    page.wait_for_selector(selector)


def sit(page: Page, name: str) -> None:
    page.fill("#review [name=reviewer]", name)
    acting(page, lambda: page.click("#review [data-do=sit]"), "#review .case")


def rank(page: Page, ranks) -> None:
    for place, level in enumerate(ranks):
        page.focus(f"#review .card[data-place='{place}']")
        page.keyboard.press(str(level))


def saved(page: Page) -> None:
    page.wait_for_function("document.querySelector('#review .saved').textContent === 'saved'")


def submit(page: Page) -> None:
    page.focus("#review .card")
    acting(page, lambda: page.keyboard.press("Enter"))


def practise(page: Page) -> None:
    rank(page, (3, 1, 4, 2))
    submit(page)
    assert "Your ranks are the ones meant" in page.inner_text("#review-told")


def place_of(page: Page) -> str:
    return page.inner_text("#review .top b")


def test_two_reviewers_complete_three_cases_blindly_and_the_table_is_the_one_computed_by_hand(door, people):
    address, recorder = door
    first, second = people(address), people(address)
    sit(first, "AB")
    practise(first)
    rank(first, AB[0])
    submit(first)
    rank(first, AB[1][:2])
    saved(first)
    first.fill("#review textarea", "the left base")
    saved(first)

    acting_reload(first)
    assert place_of(first) == "Case 2 of 3"
    assert first.input_value("#review textarea") == "the left base"
    assert pressed(first) == ["1", "2"]

    sit(second, "CD")
    practise(second)
    for ranks in CD:
        rank(second, ranks)
        submit(second)
    first.focus("#review .card[data-place='2']")
    first.keyboard.press("3")
    submit(first)
    rank(first, AB[2])
    submit(first)

    sources = first.content() + second.content()
    told = recorder.since().decode("utf-8", "replace")
    assert "Case 3 of 3" in told  # what was recorded is what was read
    assert [name for name in MODELS if name in sources or name in told] == []

    acting(first, lambda: first.click("#review [data-do=finish]"), "#review .results")
    acting(second, lambda: second.click("#review [data-do=finish]"), "#review .results")
    assert all(name in second.inner_text("#review .results") for name in MODELS)
    with second.expect_download() as download:
        second.click("#review [data-kind=table]")
    rows = list(csv.reader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))
    assert rows == TABLE
    with second.expect_download() as download:
        second.click("#review [data-kind=json]")
    exported = json.loads(Path(download.value.path()).read_text("utf-8"))
    assert exported["answers"]["AB"]["2"]["comment"] == "the left base"
    assert exported["answers"]["AB"]["3"]["ranks"] == {"quillon": 3, "marabout": 1, "zephyrine": 1}


def acting_reload(page: Page) -> None:
    page.reload()
    page.wait_for_selector("#review[data-stage] .case")


def pressed(page: Page) -> list[str]:
    return page.locator("#review .ranks [aria-pressed=true]").all_inner_texts()


def test_undo_skip_discuss_and_a_marked_span_survive_a_reload(door, people):
    page = people(door[0])
    sit(page, "AB")
    acting(page, lambda: page.keyboard.press("s"))  # the practice case
    rank(page, (2, 1, 3))
    page.evaluate("""() => {
        const text = document.querySelector("#review .card[data-place='0'] .text").firstChild.firstChild;
        getSelection().setBaseAndExtent(text, 6, text, 19);
    }""")
    page.click("#review .card[data-place='0'] [data-kind='wrong severity']")
    page.click("#review .card[data-place='0'] [data-do=critical]")
    page.click("#review [data-do=flag]")
    saved(page)
    acting_reload(page)
    assert page.inner_text("#review .card[data-place='0'] mark[data-critical]") == "left effusion"
    assert "to discuss" in page.inner_text("#review .top")

    acting(page, lambda: page.click("#review [data-do=undo]"))
    assert "to discuss" not in page.inner_text("#review .top")
    acting(page, lambda: page.click("#review [data-do=undo]"))
    assert page.locator("#review mark[data-critical]").count() == 0
    assert page.locator("#review mark").count() == 1
    acting(page, lambda: page.click("#review [data-do=undo]"))
    assert page.locator("#review mark").count() == 0
    acting(page, lambda: page.click("#review [data-do=skip]"))
    assert place_of(page) == "Case 2 of 3"
    assert "1 skipped" in page.inner_text("#review .top")
    page.focus("#review .card")
    page.keyboard.press("Enter")
    assert "no rank yet: Report 1, Report 2, Report 3" in page.inner_text("#review .saved")


AT_ONCE = """(() => {
    const look = new MutationObserver(() => {
        if (!document.querySelector("#review .case")) return;
        look.disconnect();
        setTimeout(() => {
            for (const key of %s) document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        });
    });
    look.observe(document, { childList: true, subtree: true });
})()"""


def ranked(page: Page, ranks) -> None:
    """Pass over the practice case, and rank the reports of case 1."""
    acting(page, lambda: page.keyboard.press("s"))
    rank(page, ranks)
    saved(page)


def levels(data: Path) -> tuple[int, ...]:
    """What is saved of case 1."""
    from explorer.review.store import ReviewStore

    store = ReviewStore.open(data)
    answer = store.answer("r1", 1, "AB")
    store.close()
    return answer.levels


def has_levels(page: Page, wanted: list[str]) -> None:
    page.wait_for_function(
        "wanted => document.querySelector('#review:not([data-waiting]) .case') && wanted.join() === "
        "[...document.querySelectorAll('#review .ranks [aria-pressed=true]')].map(one => one.innerText).join()",
        arg=wanted,
    )


@pytest.fixture
def slowed(monkeypatch):
    """Lets the first undo be answered late, so that the answer of a second one could overtake it."""
    from explorer.review.store import ReviewStore

    taken = []

    def undo(store, seat, number, seq):
        found = taken_back(store, seat, number, seq)
        taken.append(seq)
        if len(taken) == 1:
            time.sleep(1)
        return found

    taken_back = ReviewStore.undo
    monkeypatch.setattr(ReviewStore, "undo", undo)
    return taken


@pytest.mark.parametrize(("keys", "left"), [("u", ["2", "1"]), ("uu", ["2"]), ("uu3", ["3"])])
def test_what_is_pressed_as_a_reload_arrives_is_done_however_late_its_answer(door, data, people, slowed, keys, left):
    page = people(door[0])
    sit(page, "AB")
    ranked(page, (2, 1, 3))
    page.add_init_script(AT_ONCE % json.dumps(list(keys)))
    page.reload()
    has_levels(page, left)
    page.wait_for_function("['', 'saved'].includes(document.querySelector('#review .saved').textContent)")
    assert [str(level) for level in levels(data) if level] == left


def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_done_twice(door, data, people, monkeypatch):
    from explorer.review.store import ReviewStore

    lost = []

    def undo(store, *asked):
        found = taken_back(store, *asked)
        lost.append(asked)
        if len(lost) == 1:
            raise MemoryError  # done, and the answer never comes
        return found

    taken_back = ReviewStore.undo
    monkeypatch.setattr(ReviewStore, "undo", undo)
    page = people(door[0])
    sit(page, "AB")
    ranked(page, (2, 1, 3))
    page.keyboard.press("u")
    has_levels(page, ["2", "1"])
    assert lost[0] == lost[1]
    assert levels(data) == (2, 1, 0)


def test_what_was_pressed_right_before_a_reload_is_saved_after_it(door, data, people, monkeypatch):
    from explorer.review.store import ReviewStore

    def save(store, *asked):
        time.sleep(0.4)  # the second rank still waits for its turn when the page is left
        return kept(store, *asked)

    kept = ReviewStore.save
    page = people(door[0])
    sit(page, "AB")
    acting(page, lambda: page.keyboard.press("s"))
    monkeypatch.setattr(ReviewStore, "save", save)
    rank(page, (2, 1, 3))
    page.reload()
    has_levels(page, ["2", "1", "3"])
    assert levels(data) == (2, 1, 3)


def reviewers_app(data: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the reviewers' door as a person does, and wait until it is there."""
    command = [sys.executable, "app.py", "--reviewers", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "CXR_DATA": str(data)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert str(port) in process.stdout.readline().decode()
    return process


def test_a_server_killed_while_it_saves_loses_nothing_once_it_is_back(data, people):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = reviewers_app(data, port)
    try:
        page = people(f"http://127.0.0.1:{port}/")
        sit(page, "AB")
        acting(page, lambda: page.keyboard.press("s"))
        rank(page, (2,))
        process.kill()
        process.wait()
        page.keyboard.press("j")
        page.keyboard.press("1")
        page.keyboard.press("j")
        page.keyboard.press("3")
        process = reviewers_app(data, port)
        page.wait_for_function("sessionStorage.getItem('review-line') === '[]'", timeout=90_000)
        has_levels(page, ["2", "1", "3"])
        assert levels(data) == (2, 1, 3)
    finally:
        process.kill()
        process.wait()


def test_while_another_case_is_on_its_way_the_page_shows_it_and_takes_nothing(door, people, monkeypatch):
    from explorer.review.store import ReviewStore

    page = people(door[0])
    sit(page, "AB")
    opened = threading.Event()
    kept = ReviewStore.save
    monkeypatch.setattr(ReviewStore, "save", lambda *asked: opened.wait(30) and kept(*asked))
    page.keyboard.press("s")
    page.wait_for_selector("#review[data-waiting][aria-busy=true] .case")
    page.keyboard.press("1")
    assert page.locator("#review .ranks [aria-pressed=true]").count() == 0
    acting(page, opened.set)
    assert place_of(page) == "Case 1 of 3"
    assert page.locator("#review .ranks [aria-pressed=true]").count() == 0
    assert page.locator("#review[data-waiting]").count() == 0


def test_a_sentence_is_marked_with_the_keys_alone(door, people):
    page = people(door[0])
    sit(page, "AB")
    page.focus("#review .card[data-place='0']")
    for key in "wwvc":  # the second sentence of Report 1 has the wrong degree, and that is critical
        page.keyboard.press(key)
    for key in "jto":  # Report 2 leaves out the first sentence of the truth
        page.keyboard.press(key)
    saved(page)
    sentences = page.inner_text("#review .card[data-place='0'] .text").split(". ")
    assert page.inner_text("#review .card[data-place='0'] mark[data-critical]").rstrip(".") == sentences[1].rstrip(".")
    assert page.inner_text("#review [data-truth] mark") == "The heart is normal in size."


def test_a_report_is_dragged_to_a_rank_and_onto_another_to_tie(door, people):
    page = people(door[0])
    sit(page, "AB")
    card = "#review .card[data-place='{}'] header"
    page.drag_and_drop(card.format(1), "#review .rail li[data-slot='1']")
    page.drag_and_drop(card.format(3), "#review .card[data-place='1'] .text")
    saved(page)
    assert page.inner_text("#review .rail li[data-slot='1'] span") == "Report 2, Report 4"


def test_a_hidden_ground_truth_is_sent_after_a_first_answer_only(tmp_path, people):
    from made_review import made_cases, made_review

    from explorer.review.store import ReviewStore

    store = ReviewStore.open(tmp_path)
    store.create(made_review(unknown=True), made_cases(MODELS))
    with closed_environment():
        from explorer.ui.door import build_door

        with served(build_door(tmp_path)) as (address, recorder):
            page = people(address)
            sit(page, "AB")
            acting(page, lambda: page.keyboard.press("s"))
            page.click("#review [data-do=reveal]")
            page.wait_for_selector("#review-told .alert")
            rank(page, (1, 2, 3))
            saved(page)
            assert b"Truth 1" not in recorder.since()
            acting(page, lambda: page.click("#review [data-do=reveal]"))
            assert "Truth 1" in page.inner_text("#review .truth")
            rank(page, (2,))
            saved(page)
    answer = store.answer("r1", 1, "AB")
    assert (answer.first, answer.levels, answer.revealed) == ((1, 2, 3), (2, 2, 3), True)


def test_in_the_whole_app_a_review_is_made_and_no_message_names_an_encoder_before_the_end(tmp_path, people):
    with closed_environment():
        from review_engine import ReviewedExplorer

        from explorer.ui.blocks import build_blocks

        settings = Settings(cache=tmp_path / "cache", data=tmp_path / "data")
        blocks = build_blocks(ReviewedExplorer(settings=settings))  # type: ignore[arg-type]
        with served(blocks) as (address, recorder):
            page = people(f"{address}?show=review")
            page.fill("#review [name=count]", "2")
            rows = [
                {"study_id": f"made-up:{1000 + 37 * n}", "model": "quillon", "report": f"Text {n}"} for n in range(12)
            ]
            data = "\n".join(json.dumps(row) for row in (*rows, {**rows[0], "study_id": "nobody"}))
            page.set_input_files(
                "[name=generated]", {"name": "g.jsonl", "mimeType": "text/plain", "buffer": data.encode()}
            )
            acting(page, lambda: page.click("#review form[data-form=make] [type=submit]"), "#review .list li")
            page.wait_for_timeout(300)
            mark = recorder.mark()
            sit(page, "AB")
            acting(page, lambda: page.keyboard.press("s"))
            for _ in range(2):
                count = page.locator("#review .card").count()
                assert count == 4  # three encoders and the import
                rank(page, range(1, count + 1))
                submit(page)
            told = recorder.since(mark).decode("utf-8", "replace")
            assert re.search(r"Text \d+", told)
            assert [name for name in ("pocket", "minilm", "SmolLM2", "quillon") if name in told] == []
            acting(page, lambda: page.click("#review [data-do=finish]"), "#review .results")
            assert "quillon" in page.inner_text("#review .results")
            acting(page, lambda: page.click("#review [data-do=rules]"), "#review .results")
            assert "rule judge" in page.inner_text("#review .results")
            acting(page, lambda: page.click("#review [data-do=leave]"))
            page.click("#review [data-do=delete]")
            acting(page, lambda: page.click("#review [data-do=delete]"))
            assert "There is no review yet" in page.inner_text("#review")


@pytest.fixture
def whole(tmp_path):
    with closed_environment():
        from review_engine import ReviewedExplorer

        from explorer.ui.blocks import build_blocks

        settings = Settings(cache=tmp_path / "cache", data=tmp_path / "data")
        with served(build_blocks(ReviewedExplorer(settings=settings))) as (address, _):  # type: ignore[arg-type]
            yield address


def test_a_set_brought_from_compare_becomes_a_review_of_its_queries(whole, people):
    page = people(f"{whole}?show=review")
    page.evaluate("""() => window.dispatchEvent(new CustomEvent("cxr:review-set", {detail: {
        queries: ["small effusion", "sm R PTX"], rankers: ["base", "minilm"], k: 10}}))""")
    page.wait_for_selector("#review [data-brought]")
    assert page.locator("#review [name=encoder]:checked").evaluate_all("all => all.map(one => one.value)") == [
        "base",
        "minilm",
    ]
    acting(page, lambda: page.click("#review form[data-form=make] [type=submit]"), "#review .list li")
    sit(page, "AB")
    acting(page, lambda: page.keyboard.press("s"))
    assert page.inner_text("#review [data-truth]") in ("small effusion", "sm R PTX")


def test_a_case_asked_with_a_film_shows_it_blindly_and_a_case_drawn_anew_keeps_its_view(tmp_path, people):
    with closed_environment():
        from film_corpora import FIRST, REPORTED, prepare_films
        from review_engine import ReviewedExplorer

        from explorer.ui.blocks import build_blocks

        settings = Settings(cache=tmp_path / "cache", data=tmp_path / "data")
        prepare_films(settings, tmp_path)
        blocks = build_blocks(ReviewedExplorer(settings=settings))  # type: ignore[arg-type]
        with served(blocks) as (address, recorder):
            page = people(f"{address}?show=review")
            assert not page.is_visible("#review [name=films]")
            page.select_option("#review [name=asked]", "film")
            page.select_option("#review [name=films]", REPORTED)
            assert page.locator("#review [name=encoder]:visible").evaluate_all("all => all.map(one => one.value)") == [
                "pocket"
            ]
            page.uncheck("#review [name=halve]")
            acting(page, lambda: page.click("#review form[data-form=make] [type=submit]"), "#review .list li")
            mark = recorder.mark()
            sit(page, "AB")
            acting(page, lambda: page.keyboard.press("s"))
            page.wait_for_selector("#review-film figure[data-drawn=yes]")
            page.click("#review-film [data-act=invert]")
            page.keyboard.press("Escape")
            page.focus("#review .card")
            page.keyboard.press("2")
            saved(page)
            acting(page, lambda: page.keyboard.press("u"))
            assert page.inner_text("#review-film .state") == "inverted"
            assert not page.locator("#film figure").count()
            told = recorder.since(mark).decode("utf-8", "replace")
            assert "Effusion number" in told
            assert [word for word in ("pocket", REPORTED, str(FIRST)[:-1]) if word in told] == []
            acting(page, lambda: page.click("#review [data-do=skip]"))
            page.wait_for_selector("#review-film figure[data-drawn=yes]")
            assert page.inner_text("#review-film .state") == ""


def test_the_error_lab_shows_margins_and_the_strip(whole, people):
    page = people(f"{whole}?show=review")
    acting(page, lambda: page.click("#review [data-do=lab]"), "#review .lab")
    first = page.input_value("#review [name=findings]")
    acting(page, lambda: page.click("#review [data-do=another]"), "#review .lab")
    assert page.input_value("#review [name=findings]") != first
    acting(page, lambda: page.click("#review button[value=strip]"), "#review td.share")
    acting(page, lambda: page.click("#review button[value=margins]"), "#review td.margin")
    assert page.locator("#review td.share").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
