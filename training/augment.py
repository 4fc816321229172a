"""Changes a radiologist would accept in a film: a little turn, shift, zoom and exposure. Never a flip."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

TURN = math.radians(7)
ZOOM, SHIFT, EXPOSURE = 0.1, 0.06, 0.2


def jittered(films: Tensor) -> Tensor:
    """Return films [b, 1, s, s], each changed on its own, by torch's global generator."""
    count = len(films)
    angle, zoom = _around(count) * TURN, 1 + _around(count) * ZOOM
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    shift = torch.stack((_around(count), _around(count)), dim=1) * SHIFT  # [b, 2]
    turns = torch.stack((torch.stack((cos, -sin), 1), torch.stack((sin, cos), 1)), 1)  # [b, 2, 2]
    grid = F.affine_grid(torch.cat((turns, shift[:, :, None]), dim=2), list(films.shape), align_corners=False)
    moved = F.grid_sample(films, grid, padding_mode="border", align_corners=False)
    contrast, brightness = 1 + _around(count) * EXPOSURE, _around(count) * EXPOSURE
    return moved * contrast[:, None, None, None] + brightness[:, None, None, None]


def _around(count: int) -> Tensor:
    return torch.rand(count) * 2 - 1
