from __future__ import annotations

from collections.abc import Iterable

import pytest

from explorer.corpora.base import Corpus
from explorer.language.variant_card import SEED, Rate, drawn_texts, injection_rates, variant_card, variant_rates

QUICK = 60


@pytest.fixture(scope="module")
def drawn(open_i: Corpus) -> tuple[str, ...]:
    return drawn_texts(open_i.reports, QUICK)


def missed(rates: Iterable[Rate]) -> list[str]:
    return [rate.line() for rate in rates if not rate.met]


def test_a_rate_says_how_many_of_how_many_and_what_was_asked():
    rate = Rate("similar: kept", 0.98)
    for passed in (True, True, False, True):
        rate.add(passed)
    assert (rate.share, rate.met) == (0.75, False)
    assert "3 of    4   75.0 %  asked  98.0 %  NOT REACHED" in rate.line()
    assert Rate("measured only", None).met
    assert Rate("nothing", 0.5).share == 0


def test_the_draw_is_of_reports_without_redactions_and_always_the_same(open_i: Corpus, drawn: tuple[str, ...]):
    assert drawn == drawn_texts(open_i.reports, QUICK, SEED) != drawn_texts(open_i.reports, QUICK, SEED + 1)
    assert len(set(drawn)) > QUICK / 2
    assert not any("XXXX" in text for text in drawn)


@pytest.mark.slow
def test_the_variants_reach_what_was_asked_on_sixty_reports(drawn: tuple[str, ...]):
    rates = variant_rates(drawn)
    assert missed(rates) == []
    assert {rate.n for rate in rates} == {QUICK}


@pytest.mark.slow
def test_the_errors_reach_what_was_asked_on_sixty_reports(drawn: tuple[str, ...]):
    rates = injection_rates(drawn)
    assert missed(rates) == []
    assert sum(rate.n for rate in rates if rate.target is not None) > QUICK


@pytest.mark.slow
def test_the_card_reaches_every_target_on_two_hundred_reports():
    lines = list(variant_card())
    assert lines[0].startswith("Report variants: 200 reports")
    assert len(lines) > 30
    assert not [line for line in lines if "NOT REACHED" in line]
