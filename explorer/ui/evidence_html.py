"""The heat map of a film in words and numbers; the browser lays it over the film."""

from __future__ import annotations

import base64

import numpy as np

from explorer.evidence import HeatMap
from explorer.ui.render import SCORE_WORDS, escape

ROWS = ("upper", "middle", "lower")
COLUMNS = ("the patient's right", "the middle", "the patient's left")  # as films are hung
OPACITY = 60  # per cent, until the slider is moved


def evidence(heat: HeatMap) -> str:
    """Return what speaks where, with the map for `evidence.js` and a slider for how much of it is seen."""
    if not heat.values.any():
        return f'<p class="notes">No place of this film speaks for {escape(heat.towards)} more than the others.</p>'
    height, width = heat.values.shape
    cells = base64.b64encode(np.round(heat.values * 255).astype(np.uint8).tobytes()).decode("ascii")
    words, digits = SCORE_WORDS.get(heat.score_name, (heat.score_name, 2))
    row, column = heat.peak
    return (
        f'<div class="heat" data-heat="{cells}" data-width="{width}" data-height="{height}" data-row="{row}" '
        f'data-column="{column}"><p>Speaks for <strong>{escape(heat.towards)}</strong> most in the '
        f"{place_of(heat)}. Whole film {heat.score:.{digits}f} {escape(words)}, by {escape(heat.encoder)}. "
        "Relative to this film: no measure of how likely it is.</p>"
        f'<label>overlay <input type="range" min="0" max="100" value="{OPACITY}" '
        'aria-label="How much of the heat map is seen, in per cent"></label></div>'
    )


def place_of(heat: HeatMap) -> str:
    """Return the place of the peak in words, e.g. "upper third, the patient's right"."""
    height, width = heat.values.shape
    row, column = heat.peak
    return f"{ROWS[3 * row // height]} third, {COLUMNS[3 * column // width]}"


def nothing_yet() -> str:
    """Return what stands there before anything is asked."""
    return '<p class="notes">Choose a hit, or name a finding, to see where this film speaks for it.</p>'
