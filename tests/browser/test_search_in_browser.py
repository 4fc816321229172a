from __future__ import annotations

import re

import pytest

from explorer.intake.examples import example_film

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

NOTE = "sm R PTX s/p CT to WS, BLLF retic opac"
PAYLOADS = (
    "<img src=x onerror=window.__x=1>",
    '"><svg onload=window.__x=1>',
    "<script>window.__x=1</script>",
    "${window.__x=1} {{constructor.constructor('window.__x=1')()}} `${window.__x=1}`",
    "javascript:window.__x=1 \u202e",
)


def test_a_reader_types_drops_errs_and_goes_on(reader):
    reader.ask(NOTE)
    typed = reader.hits()
    assert len(typed) == 10
    assert all(re.match(r"\d+\s+-?\d\.\d\d cosine", hit) for hit in typed)

    with reader.answer():
        reader.drop("RG1_UNCR.dcm", example_film())
    reader.page.wait_for_selector("#film figure[data-drawn]")
    assert "for this film" in reader.page.inner_text("#status")
    assert len(reader.hits()) == 10
    assert "MONOCHROME1" in reader.page.inner_text("#film .notes")
    assert "aligned through findings" in reader.page.inner_text("#results .notes").lower()

    reader.drop("notes.dcm", b"This is a letter and no film.\n" * 20)
    reader.page.wait_for_selector("#intake [role=alert]", timeout=60_000)
    assert "DICOM" in reader.page.inner_text("#intake [role=alert]")
    said, film = (reader.page.locator(part).bounding_box() for part in ("#intake [role=alert]", "#film"))
    assert said["y"] + said["height"] <= film["y"], "below film, notes and sliders nobody sees it"
    assert len(reader.hits()) == 10

    reader.ask(NOTE)
    assert reader.hits() == typed


def test_an_empty_query_is_refused_in_place(reader):
    reader.ask("")
    assert reader.page.is_visible("#status [role=alert]")
    assert reader.hits() == []


def test_one_click_on_an_example_answers_it(reader):
    example = reader.page.locator("#examples button").nth(1)
    with reader.answer():
        example.click()
    assert reader.page.input_value("#query textarea") == example.inner_text()
    assert len(reader.hits()) == 10


def test_other_options_answer_the_same_query_again(reader):
    reader.ask(NOTE)
    with reader.answer():
        reader.page.click("#k label >> nth=0")
    assert len(reader.hits()) == 5
    with reader.answer():
        reader.page.click("#encoder label:has-text('BM25')")
    assert all("BM25" in hit for hit in reader.hits())


def test_the_film_is_windowed_and_inverted_without_the_server(reader):
    with reader.answer():
        reader.page.click("#example-film")
    reader.page.wait_for_selector("#film figure[data-drawn]")
    reader.page.wait_for_selector("#film canvas.heat")  # evidence for the first hit is asked for by itself
    asked = []
    reader.page.on("request", lambda request: asked.append(request.url))
    pictures = [picture(reader.page)]
    for key in ("2", "3", "4", "1", "i"):
        reader.page.keyboard.press(key)
        pictures.append(picture(reader.page))
    assert pictures[0] == pictures[4]
    assert len(set(pictures)) == 5
    assert list(pictures[5]) == [255 - level for level in pictures[0]]
    assert asked == []


def test_nothing_is_asked_of_another_host(reader):
    reader.ask(NOTE)
    assert reader.hosts - {""} == {"127.0.0.1"}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_code_in_the_query_does_nothing(reader, payload):
    reader.ask(f"{payload} pneumothorax")
    assert reader.page.evaluate("window.__x") is None
    assert reader.dialogs == []


def test_everything_is_reached_by_keyboard(reader):
    page = reader.page
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    page.keyboard.type("RLL PNA")
    with reader.answer():
        page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.querySelector('.rank').textContent") == "2"
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.querySelector('.rank').textContent") == "1"


def test_a_narrow_screen_never_scrolls_sideways(reader):
    reader.page.set_viewport_size({"width": 390, "height": 844})
    assert sideways(reader.page) <= 0
    reader.page.click("[data-act=options]")
    assert reader.page.is_visible("#encoder")
    reader.ask(NOTE)
    assert sideways(reader.page) <= 0


@pytest.mark.parametrize("width", [1280, 390])
def test_an_answer_does_not_move_what_stands_around_it(reader, width):
    reader.page.set_viewport_size({"width": width, "height": 844})
    reader.page.fill("#query textarea", NOTE)
    reader.page.wait_for_selector("#reading .reading")
    before = places(reader.page)
    with reader.answer():
        reader.page.press("#query textarea", "Enter")
        reader.page.wait_for_selector("#status .status")
        assert places(reader.page) == before
    assert places(reader.page) == before
    reader.ask(NOTE)
    assert places(reader.page) == before


def test_the_light_chosen_is_still_there_after_a_reload(reader):
    assert reader.page.evaluate("document.documentElement.dataset.theme") == "dark"
    reader.page.click("[data-act=theme]")
    reader.page.reload()
    reader.page.wait_for_function("document.body.dataset.ready === 'yes'")
    assert reader.page.evaluate("document.documentElement.dataset.theme") == "light"


def test_nothing_of_a_file_or_a_query_stays_on_the_machine(app, reader):
    film = example_film()
    with reader.answer():
        reader.drop("DOE_JANE_19500101.dcm", film)
    reader.ask("zebra-striped effusion of DOE^JANE")
    left = [path for path in app.temporary.rglob("*") if path.is_file()]
    assert not [path for path in left if "DOE" in path.name]
    assert not [path for path in left if film[200:400] in path.read_bytes()]
    log = app.log.read_text()
    assert "DOE" not in log
    assert "zebra" not in log
    assert "zebra" not in reader.page.url


def picture(page) -> tuple[int, ...]:
    """Grey values along the middle row of the film as it is shown."""
    return tuple(
        page.evaluate(
            """() => {
                const canvas = document.querySelector("#film canvas");
                const row = canvas.getContext("2d").getImageData(0, canvas.height >> 1, canvas.width, 1).data;
                return [...row].filter((_, index) => index % 4 === 0);
            }"""
        )
    )


def sideways(page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def places(page) -> dict[str, dict[str, float]]:
    """Where the fixed parts of the page stand, and where the answers begin."""
    parts = {part: page.locator(f"#{part}").bounding_box() for part in ("top", "query", "side", "status", "results")}
    return {part: {side: box[side] for side in ("x", "y", "width")} for part, box in parts.items()}
