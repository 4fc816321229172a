"""Whether heat maps point: a small tower learns two marks without being told where, and is asked for one of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from explorer.evidence import strengths
from models.dual import DualConfig, FilmEncoder, ImageSide
from models.interfaces import EncoderInfo
from models.precision import Placement
from models.vision import Viewing, VisionConfig, normalised

SIZE, MARK, STEPS, BATCH = 160, 26, 160, 16
CONFIG = DualConfig(VisionConfig("test_byobnet", SIZE), text_dim=8, dim=8)
WORDS = F.normalize(torch.randn(2, 8, generator=torch.Generator().manual_seed(3)), dim=-1)  # "disc", "stripes"


def planted(draw: np.random.Generator, marks: tuple[bool, bool]):
    """A noisy film with the marks asked for, at random places that do not touch; and their middles."""
    film = draw.integers(40, 110, (SIZE, SIZE)).astype(np.uint8)
    rows, columns = np.mgrid[:MARK, :MARK] - MARK // 2
    shapes = ((rows**2 + columns**2 < (MARK // 2) ** 2) * 140, (np.mgrid[:MARK, :MARK][0] // 3 % 2) * 140)
    corners = [draw.integers(0, SIZE - MARK, 2)]
    while len(corners) < 2:
        other = draw.integers(0, SIZE - MARK, 2)
        corners += [other] if np.abs(other - corners[0]).max() > 1.5 * MARK else []
    for there, shape, (top, left) in zip(marks, shapes, corners, strict=True):
        if there:
            film[top : top + MARK, left : left + MARK] += shape.astype(np.uint8)
    return film, [corner + MARK / 2 for corner in corners]


@pytest.fixture(scope="module")
def encoder():
    """A tower that learned from whole films which marks they hold, and nothing of places."""
    torch.manual_seed(0)
    side, draw = ImageSide(CONFIG), np.random.default_rng(0)
    bias = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.AdamW([*side.parameters(), bias], lr=2e-3)
    for _ in range(STEPS):
        marks = draw.random((BATCH, 2)) < 0.5
        films = normalised([planted(draw, tuple(row))[0] for row in marks])
        logits = 10 * F.normalize(side(films), dim=-1) @ WORDS.T + bias
        loss = F.binary_cross_entropy_with_logits(logits, torch.from_numpy(marks).float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    info = EncoderInfo("toy", "image", 8, 0, "cosine", "fp32", "cpu", "r")
    return FilmEncoder(side, Viewing(SIZE), info, Placement(torch.device("cpu"), "fp32"))


@pytest.mark.slow
@pytest.mark.parametrize("asked", [0, 1])
def test_the_peak_lies_in_the_planted_mark_four_times_of_five(encoder, asked):
    draw, usual = np.random.default_rng(99), WORDS.mean(dim=0).numpy()
    inside = []
    for _ in range(100):
        film, middles = planted(draw, (True, True))
        values = strengths(encoder.patches(film), WORDS[asked].numpy(), usual, film.shape)
        row, column = np.unravel_index(values.argmax(), values.shape)
        peak = (np.array([row, column]) + 0.5) / values.shape * SIZE
        inside.append(np.abs(peak - middles[asked]).max() <= (MARK + SIZE / 5) / 2)  # the mark and half a place around
    assert np.mean(inside) >= 0.8  # a peak anywhere would lie there 13 times of 100
