from __future__ import annotations

import pytest

from explorer.errors import CorpusMissing, TowerError, UnknownTower, WeightsDamaged, WeightsMissing
from explorer.progress import silent
from explorer.settings import Settings
from explorer.standing_in import start

MISSING = WeightsMissing("The weights of 'pocket' did not come with this copy. Choose another encoder.")
DAMAGED = WeightsDamaged("The file weights.safetensors of the weights 'text' is damaged. Fetch them again.")


class Engine:
    def __init__(self, settings, error=None):
        self.encoder = settings.encoder
        self.error = error
        self.closed = False

    def prepare(self, kind, progress):
        assert kind == "text"
        if self.error:
            raise self.error

    def close(self):
        self.closed = True


class Machine:
    """Towers that are missing when an engine is composed, and towers that turn out to be damaged when loaded."""

    def __init__(self, missing=(), damaged=()):
        self.missing, self.damaged, self.made = missing, damaged, []

    def compose(self, settings, progress):
        if settings.encoder in self.missing:
            raise MISSING
        self.made.append(Engine(settings, DAMAGED if settings.encoder in self.damaged else None))
        return self.made[-1]


def started(machine, encoder="pocket"):
    return start(Settings(encoder=encoder), machine.compose, silent)


def test_an_encoder_that_can_be_used_is_used_and_nothing_is_said():
    found = started(Machine())
    assert (found.explorer.encoder, found.said) == ("pocket", "")


def test_the_baseline_stands_in_for_missing_weights_and_the_page_says_why():
    found = started(Machine(missing=("pocket",)))
    assert found.explorer.encoder == "bert4cxr"
    assert found.said.startswith("pocket cannot be used: The weights of 'pocket' did not come")
    assert "Until it can, the baseline bert4cxr answers." in found.said


def test_damaged_weights_are_noticed_when_loaded_and_the_engine_they_were_for_is_closed():
    machine = Machine(damaged=("pocket",))
    found = started(machine)
    assert found.explorer.encoder == "bert4cxr"
    assert "is damaged" in found.said
    assert [one.closed for one in machine.made] == [True, False]


def test_without_any_weights_words_alone_answer():
    found = started(Machine(missing=("pocket",), damaged=("bert4cxr",)))
    assert found.explorer.encoder == "bm25"
    assert "did not come with this copy" in found.said
    assert "Until it can, words alone answer, without a model." in found.said


def test_a_name_that_is_no_encoder_is_a_mistake_and_nothing_stands_in():
    def compose(settings, progress):
        raise UnknownTower("There is no encoder 'nobody'.")

    with pytest.raises(UnknownTower):
        start(Settings(encoder="nobody"), compose, silent)


def test_a_missing_corpus_is_no_matter_of_encoders():
    def compose(settings, progress):
        raise CorpusMissing("The source is not on this machine.")

    with pytest.raises(CorpusMissing):
        start(Settings(), compose, silent)


def test_where_even_words_fail_the_first_reason_is_told():
    with pytest.raises(TowerError, match="did not come"):
        started(Machine(missing=("pocket", "bert4cxr", "bm25")))
