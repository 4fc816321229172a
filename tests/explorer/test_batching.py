from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from explorer.batching import MOST, SharedFilms, SharedTexts, shared
from explorer.errors import TowerError
from models.interfaces import Dual, EncoderInfo, FilmPatches, Frame, PatchEncoder

INFO = EncoderInfo("toy", "report", 2, 64, "cosine", "fp32", "cpu", "r")


class Toy:
    """A text's vector is its length; the word "bad" cannot be read. The first run waits until it is let go."""

    info = INFO

    def __init__(self) -> None:
        self.runs: list[tuple[list[str], str]] = []
        self.entered, self.go_on = threading.Event(), threading.Event()

    def encode(self, texts, instruction=""):
        self.runs.append((list(texts), instruction))
        if len(self.runs) == 1:
            self.entered.set()
            assert self.go_on.wait(10)
        if "bad" in texts:
            raise TowerError("This text cannot be read.")
        return np.array([[len(text), 1] for text in texts], np.float32)


def ask_while_busy(toy, encoder, others):
    """Ask once, and `others` while the tower is at it; return their futures, the first one's first."""
    pool = ThreadPoolExecutor(40)
    futures = [pool.submit(encoder.encode, ["first"])]
    assert toy.entered.wait(10)
    for number, (text, instruction) in enumerate(others, 1):
        futures.append(pool.submit(encoder.encode, [text], instruction))
        while len(encoder._line._waiting) < number:  # all are in line before the tower is let go
            pass
    toy.go_on.set()
    pool.shutdown(wait=True)
    return futures


def test_texts_that_arrive_while_the_tower_runs_share_its_next_run():
    toy = Toy()
    futures = ask_while_busy(toy, SharedTexts(toy), [("a", ""), ("bb", ""), ("ccc", "")])
    assert toy.runs == [(["first"], ""), (["a", "bb", "ccc"], "")]
    assert [future.result().tolist() for future in futures] == [[[5, 1]], [[1, 1]], [[2, 1]], [[3, 1]]]


def test_texts_under_different_instructions_do_not_share_a_run():
    toy = Toy()
    ask_while_busy(toy, SharedTexts(toy), [("a", "one"), ("bb", "two"), ("ccc", "one")])
    assert toy.runs[1:] == [(["a", "ccc"], "one"), (["bb"], "two")]


def test_a_text_that_cannot_be_read_spoils_no_other():
    toy = Toy()
    futures = ask_while_busy(toy, SharedTexts(toy), [("a", ""), ("bad", ""), ("ccc", "")])
    assert futures[1].result().tolist() == [[1, 1]]
    assert futures[3].result().tolist() == [[3, 1]]
    with pytest.raises(TowerError, match="cannot be read"):
        futures[2].result()


def test_a_run_takes_no_more_than_the_server_lets_wait():
    toy = Toy()
    ask_while_busy(toy, SharedTexts(toy), [("a", "")] * (MOST + 3))
    assert [len(texts) for texts, _ in toy.runs] == [1, MOST, 3]


def test_the_texts_of_a_corpus_go_straight_through():
    toy = Toy()
    toy.go_on.set()
    assert SharedTexts(toy).encode(["a", "bb"], "x").tolist() == [[1, 1], [2, 1]]
    assert toy.runs == [(["a", "bb"], "x")]


def test_both_towers_of_a_shared_space_are_shared_and_described():
    class Films:
        info = INFO

        def encode(self, images):
            return np.array([[film.sum(), 0] for film in images], np.float32)

    dual = shared(Dual(Toy(), Films()))
    film = np.full((2, 2), 3, np.uint8)
    assert isinstance(dual.image, SharedFilms)
    assert dual.image.info == dual.text.info == INFO
    assert dual.image.encode([film]).tolist() == [[12, 0]]
    assert dual.image.encode([film, film]).tolist() == [[12, 0], [12, 0]]


class Places:
    """An image tower that tells places apart."""

    info = INFO

    def encode(self, images):
        return np.ones((len(images), 2), np.float32)

    def patches(self, image):
        return FilmPatches(np.full((1, 1, 2), image[0, 0], np.float32), Frame(0, 0, 1, 1))


def test_a_shared_tower_still_tells_places_apart_and_one_that_never_could_does_not():
    film = np.full((2, 2), 7, np.uint8)
    able = shared(Dual(Toy(), Places())).image
    assert isinstance(able, PatchEncoder)
    assert able.patches(film).vectors.tolist() == [[[7, 7]]]
    assert not isinstance(shared(Dual(Toy(), Toy())).image, PatchEncoder)
