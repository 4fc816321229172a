"""Where in a film a phrase or a report is found: similarity of places and text, as BioViL's phrase grounding shows it.

https://arxiv.org/abs/2204.09817. A place counts by how much nearer it is to this text than to the reports in general:
what it shares with every report says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.corpora.sections import has_words, without_redactions
from explorer.errors import BadQuery
from explorer.types import QueryImage
from explorer.vector_index import VectorIndex
from models.interfaces import SECTION_PROMPTS, Dual, FilmPatches, Frame, PatchEncoder, Vectors

LONGEST_SIDE = 64  # cells of a heat map: the towers see no finer than 32


@dataclass(frozen=True)
class HeatMap:
    """What in a film speaks for a text, by one encoder."""

    values: NDArray[np.float32]  # [h, w] over the film, 0 to 1: 1 where it speaks most, 0 from its median down
    towards: str  # study id, or the phrase as typed
    score: float  # of the whole film against the text, in the encoder's score
    score_name: str
    encoder: str

    @property
    def peak(self) -> tuple[int, int]:
        """Return row and column of the cell that speaks most."""
        row, column = np.unravel_index(int(self.values.argmax()), self.values.shape)
        return int(row), int(column)


def evidence_for(dual: Dual, index: VectorIndex, image: QueryImage, text: str, towards: str) -> HeatMap:
    """Return what in a film speaks for a text.

    Args:
        dual: both towers of the space.
        index: the vectors of a corpus in that space, for what reports have in common.
        image: the film.
        text: of a report in the index's scope, or a phrase.
        towards: what the text is called on the screen.

    Raises:
        BadQuery: the text has no words, or the image tower cannot tell places apart.
    """
    info = dual.image.info
    if not isinstance(dual.image, PatchEncoder):
        raise BadQuery(f"The encoder {info.name} gives one vector for a whole film. Choose another to see places.")
    if not has_words(text):
        raise BadQuery("There are no words to look for on the film. Choose a hit, or name a finding.")
    (vector,) = dual.text.encode([without_redactions(text)], SECTION_PROMPTS[index.key.scope])
    (whole,) = dual.image.encode([image.pixels])
    height, width = image.pixels.shape
    values = strengths(dual.image.patches(image.pixels), vector, index.centre, (height, width))
    return HeatMap(values, towards, float(whole @ vector), info.score, info.name)


def strengths(patches: FilmPatches, text: Vectors, usual: Vectors, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return how strongly each part of a film speaks for a text, [h, w] over the film, 0 to 1.

    Args:
        patches: the film's places.
        text: [d], the text's vector.
        usual: [d], the mean vector of the corpus in the same space.
        shape: height and width of the film, in any unit.

    Where nothing speaks more than the median, all is 0.
    """
    raw = patches.vectors @ (text - usual)  # [rows, columns]
    over_film = _over_film(raw, patches.frame, _cells(*shape))
    above = np.maximum(over_film - np.median(over_film), 0)
    most = float(above.max())
    values: NDArray[np.float32] = (above / most if most > 0 else above).astype(np.float32)
    return values


def _cells(height: int, width: int) -> tuple[int, int]:
    scale = LONGEST_SIDE / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _over_film(grid: NDArray[np.floating], frame: Frame, cells: tuple[int, int]) -> NDArray[np.float64]:
    """Read a grid that covers `frame` at the middle of each cell of the film, linearly between its own middles."""
    rows = _places(cells[0], frame.top, frame.bottom, grid.shape[0])
    columns = _places(cells[1], frame.left, frame.right, grid.shape[1])
    top, left = rows.astype(int), columns.astype(int)
    bottom, right = np.minimum(top + 1, grid.shape[0] - 1), np.minimum(left + 1, grid.shape[1] - 1)
    down, along = (rows - top)[:, None], (columns - left)[None, :]
    upper = grid[np.ix_(top, left)] * (1 - along) + grid[np.ix_(top, right)] * along
    lower = grid[np.ix_(bottom, left)] * (1 - along) + grid[np.ix_(bottom, right)] * along
    read: NDArray[np.float64] = upper * (1 - down) + lower * down
    return read


def _places(cells: int, begin: float, end: float, steps: int) -> NDArray[np.float64]:
    """Return [cells]: where in a grid of so many steps from `begin` to `end` the cells of 0 to 1 have their middles."""
    middles = (np.arange(cells) + 0.5) / cells
    return np.clip((middles - begin) / (end - begin) * steps - 0.5, 0, steps - 1)
