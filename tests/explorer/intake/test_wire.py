"""The app checks what its decoding child answers: that child has handled hostile bytes."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from made_films import dataset, file_of, wedge

from explorer.errors import TooLarge
from explorer.intake import wire
from explorer.intake.decode import decode
from explorer.settings import Limits

GOOD: dict[str, Any] = {"shape": [2, 3], "window": [5.0, 6.0], "source": "PNG", "notes": ["A sentence."]}


def answer(header: object, body: bytes = bytes(18)) -> io.BytesIO:
    encoded = json.dumps(header).encode()
    return io.BytesIO(len(encoded).to_bytes(8, "big") + encoded + body)


def test_a_film_arrives_as_it_was_sent() -> None:
    film = decode(file_of(dataset(wedge(12, True), 12, True)), Limits())
    stream = io.BytesIO()
    wire.send_film(stream, film)
    stream.seek(0)
    arrived = wire.receive_film(stream, Limits())
    assert np.array_equal(arrived.pixels, film.pixels)
    assert np.array_equal(arrived.display, film.display)
    assert (arrived.window, arrived.source, arrived.digest, arrived.notes) == (
        film.window,
        film.source,
        film.digest,
        film.notes,
    )


def test_a_file_arrives_as_it_was_sent_and_a_closed_pipe_ends_the_work() -> None:
    stream = io.BytesIO()
    wire.send_file(stream, b"some bytes")
    stream.seek(0)
    assert wire.receive_file(stream) == b"some bytes"
    assert wire.receive_file(stream) is None


def test_a_refusal_arrives_with_its_class_and_message() -> None:
    stream = io.BytesIO()
    wire.send_error(stream, TooLarge("Export a smaller one."))
    stream.seek(0)
    with pytest.raises(TooLarge, match="Export a smaller one"):
        wire.receive_film(stream, Limits())


@pytest.mark.parametrize(
    "wrong",
    (
        {"shape": [2]},
        {"shape": [0, 3]},
        {"shape": [-2, -3]},
        {"shape": [10_000, 10_000]},
        {"shape": "a film"},
        {"window": [float("nan"), 1.0]},
        {"window": ["wide", 1.0]},
        {"source": "/etc/passwd"},
        {"notes": [{"html": "<b>"}]},
        {"notes": 7},
        {"error": "SystemExit", "message": "stop"},
        {"error": "Corrupt"},
    ),
    ids=str,
)
def test_an_answer_that_is_none_is_never_believed(wrong: dict[str, Any]) -> None:
    with pytest.raises(wire.MALFORMED):
        wire.receive_film(answer({**GOOD, **wrong}), Limits())


@pytest.mark.parametrize("header", ([], "film", None, 3))
def test_an_answer_that_is_no_record_is_never_believed(header: object) -> None:
    with pytest.raises(wire.MALFORMED):
        wire.receive_film(answer(header), Limits())


def test_an_answer_without_end_is_not_waited_for() -> None:
    with pytest.raises(ValueError, match="too long"):
        wire.receive_film(io.BytesIO((2**40).to_bytes(8, "big")), Limits())


def test_an_answer_that_breaks_off_is_an_end_of_file() -> None:
    whole = answer(GOOD).getvalue()
    for length in range(len(whole)):
        with pytest.raises(EOFError):
            wire.receive_film(io.BytesIO(whole[:length]), Limits())
