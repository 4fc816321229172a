"""From token states to one vector: the pooling modes, and the whitening that follows."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from models.interfaces import TowerError

PoolingMode = Literal["mean", "weighted_mean", "last", "cls", "latent_attention"]


class LatentAttention(nn.Module):
    """Latent attention pooling, paper section 3 and NV-Embed (https://arxiv.org/abs/2405.17428).

    Token states are queries, learned latents are keys and values, an MLP follows, the mean over tokens is the vector.
    Queries never meet each other, so a batch gives what its texts give one by one.
    """

    def __init__(self, width: int, latents: int = 512, heads: int = 8) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(latents, width))
        self.multihead_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, states: Tensor, kept: Tensor) -> Tensor:
        """States [b, l, d], kept [b, l] bool → [b, d]."""
        latents = self.latents.expand(len(states), -1, -1)
        attended, _ = self.multihead_attn(states, latents, latents, need_weights=False)
        return masked_mean(self.mlp(attended), kept.float())


class Pooling(nn.Module):
    """Pools the states of the text's own tokens; instruction and padding are left out."""

    def __init__(self, mode: PoolingMode, width: int) -> None:
        super().__init__()
        if mode not in get_args(PoolingMode):
            raise TowerError(f"Invalid pooling mode: {mode!r}. Valid modes are: {', '.join(get_args(PoolingMode))}.")
        self.mode = mode
        self.latent_attn = LatentAttention(width) if mode == "latent_attention" else None

    def forward(self, states: Tensor, kept: Tensor) -> Tensor:
        """States [b, l, d], kept [b, l] bool with at least one True a row → [b, d] fp32."""
        states = states.float()
        if self.latent_attn is not None:
            return self.latent_attn(states, kept)  # type: ignore[no-any-return]
        if self.mode == "last":
            return states[torch.arange(len(states)), last_position(kept)]
        if self.mode == "cls":  # a BERT's first token, which stands for the whole
            return states[torch.arange(len(states)), kept.int().argmax(dim=1)]
        weights = kept.float()
        if self.mode == "weighted_mean":
            weights = weights * weights.cumsum(dim=1)  # 1, 2, 3 … over the kept tokens
        return masked_mean(states, weights)


class Whitening(nn.Module):
    """Centre, then a linear map fitted so that training vectors have unit covariance.

    The states of a decoder are dominated by a few channels; without this step cosine sees only those, and a
    contrastive loss on the raw vectors does not leave chance. Vectors of several depths, side by side, are whitened
    each on its own and added. The map is a starting point: training refines it.
    """

    def __init__(self, width: int, parts: int = 1) -> None:
        super().__init__()
        self._width = width
        self.centre = nn.Parameter(torch.zeros(parts * width))
        self.linear = nn.Linear(parts * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[n, parts·d] → [n, d]."""
        return self.linear(x.float() - self.centre)  # type: ignore[no-any-return]

    @torch.no_grad()
    def fit(self, vectors: Tensor, shrinkage: float) -> None:
        """Fit to vectors [n, parts·d].

        Args:
            vectors: pooled, not normalised.
            shrinkage: 0–1, how far the correlations are pulled towards none; keeps directions that training hardly
                shows from being blown up.
        """
        self.centre.copy_(vectors.mean(dim=0))
        maps = [_whitening_map(part, shrinkage) for part in torch.split(vectors, self._width, dim=1)]
        self.linear.weight.copy_(torch.cat(maps, dim=1))


def _whitening_map(vectors: Tensor, shrinkage: float) -> Tensor:
    """Return the [d, d] map that gives vectors [n, d] unit covariance; symmetric, so that channels stay near."""
    scale = vectors.std(dim=0).clamp_min(1e-6)
    standard = (vectors - vectors.mean(dim=0)) / scale
    correlation = standard.T @ standard / len(standard)
    correlation = (1 - shrinkage) * correlation + shrinkage * torch.eye(len(correlation))
    values, directions = torch.linalg.eigh(correlation)
    root: Tensor = directions @ torch.diag(values.clamp_min(1e-8).rsqrt()) @ directions.T
    return root / scale


def masked_mean(states: Tensor, weights: Tensor) -> Tensor:
    """Mean of states [b, l, d] under weights [b, l] → [b, d]."""
    return torch.einsum("bld,bl->bd", states, weights) / weights.sum(dim=1, keepdim=True).clamp_min(1e-9)


def last_position(kept: Tensor) -> Tensor:
    """Return the index of the last True of each row of kept [b, l] → [b]."""
    return kept.shape[1] - 1 - kept.flip(dims=(1,)).int().argmax(dim=1)
