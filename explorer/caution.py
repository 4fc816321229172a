"""Is it a chest? What the screen says when a picture is unlike the films its encoder knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from explorer.types import SearchResult
from models.interfaces import Dual


def cautioned(result: SearchResult, dual: Dual) -> SearchResult:
    """Return an answer to a film with the caution that belongs to it, if one does."""
    film = result.query.image
    return result if film is None else replace(result, caution=caution(dual, film.pixels))


def caution(dual: Dual, film: NDArray[np.uint8]) -> str:
    """Return a warning in words for a film, [h, w] uint8, that is not of the kind the towers know; "" for one that is.

    A tower nobody has measured warns of nothing.
    """
    likeness = dual.check.judge(film) if dual.check is not None else None
    if likeness is None or not likeness.unlike:
        return ""
    if likeness.kind:
        return (
            f"This picture looks like {likeness.kind}. The encoder was trained on upright frontal chest radiographs "
            "only: what it finds means nothing if that is so."
        )
    beyond = round(likeness.farther * likeness.held_out)
    return (
        "This picture is unlike the frontal chest radiographs that the encoder was trained on: "
        f"of {likeness.held_out} others, {beyond or 'none'} lay farther out. "
        "If it is no frontal chest film, or is turned or inverted, what it finds means nothing."
    )
