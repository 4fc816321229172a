from __future__ import annotations

import pytest

# The first film waits for every report of the packaged corpus to be encoded, on a processor without bf16 too.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

STRENGTH = """([x, y]) => {
    const overlay = document.querySelector('#film canvas.heat');
    const at = [Math.round(x * overlay.width), Math.round(y * overlay.height)];
    return overlay.getContext('2d').getImageData(...at, 1, 1).data[3];
}"""
PEAK = "e => [e.dataset.column / e.dataset.width, e.dataset.row / e.dataset.height]"


@pytest.fixture
def with_film(reader):
    with reader.answer():
        reader.page.click("#example-film")
    return reader.page


def test_the_chosen_hit_is_shown_on_the_film_and_the_slider_fades_it(with_film):
    page = with_film
    page.locator("#results .hit").first.focus()
    page.wait_for_selector("#film canvas.heat")
    film, heat = (page.locator(f"#film canvas{which}").bounding_box() for which in (":not(.heat)", ".heat"))
    assert heat == pytest.approx(film, abs=1)
    assert page.locator("#evidence-map strong").inner_text().startswith("openi:")
    peak = page.eval_on_selector(
        "#evidence-map [data-heat]", "e => [e.dataset.column / e.dataset.width, e.dataset.row / e.dataset.height]"
    )
    assert page.evaluate(STRENGTH, [peak[0] + 0.01, peak[1] + 0.01]) > 200
    page.locator("#evidence-map input[type=range]").fill("20")
    assert page.locator("#film canvas.heat").evaluate("e => e.style.opacity") == "0.2"


def test_a_phrase_is_looked_for_and_goes_with_its_film(with_film):
    page = with_film
    page.wait_for_selector("#film canvas.heat")  # the first hit's comes by itself
    page.fill("#evidence-phrase :is(textarea, input)", "pleural effusion")
    page.press("#evidence-phrase :is(textarea, input)", "Enter")
    page.wait_for_selector("#evidence-map strong:text-is('pleural effusion')")
    assert page.locator("#film canvas.heat").count() == 1
    page.click("#remove-film")
    page.wait_for_selector("#film figure", state="detached")
    assert page.locator("#film canvas.heat").count() == 0
    assert not page.locator("#evidence").is_visible()
