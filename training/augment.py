"""Changes a radiologist would accept in a film: a little turn, shift, zoom and exposure. Never a flip."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

TURN = math.radians(7)
ZOOM, SHIFT, EXPOSURE = 0.1, 0.06, 0.2
CROPPED = 0.1  # of a film's area, at most


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


def cropped(films: Tensor) -> Tensor:
    """Return films [b, c, s, s], each a random part of nine tenths or more of its area, stretched to fill: as CLIP."""
    count = len(films)
    area = 1 - torch.rand(count) * CROPPED
    stretch = (_around(count) * math.log(4 / 3)).exp().sqrt()
    height, width = ((area.sqrt() * part).clamp_max(1) for part in (1 / stretch, stretch))
    zeros = torch.zeros(count)
    left, top = (_around(count) * (1 - side) for side in (width, height))
    parts = torch.stack((torch.stack((width, zeros, left), 1), torch.stack((zeros, height, top), 1)), 1)  # [b, 2, 3]
    grid = F.affine_grid(parts.to(films.device), list(films.shape), align_corners=False)
    return F.grid_sample(films, grid, mode="bicubic", padding_mode="border", align_corners=False)


def _around(count: int) -> Tensor:
    return torch.rand(count) * 2 - 1
