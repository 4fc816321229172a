"""8-bit weights for a decoder, from what its layers see of real reports.

Rounding each weight to its nearest step is not good enough here: the whitening behind the pooling magnifies what is
rare. So a weight is rounded with an eye on the inputs, and what was lost is made up by the weights that follow: GPTQ,
https://arxiv.org/abs/2210.17323. Channels that are far larger than others are shrunk in the activation and grown in the
weight: SmoothQuant, https://arxiv.org/abs/2211.10438.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.bidirectional import Decoder, DecoderLayer, RMSNorm
from models.int8 import PARTS, Part
from models.text import Batch, ReportTower

BLOCK = 96  # columns after which a rounding error is passed on to all that follow
DAMPING = 0.01  # of the mean second moment: keeps a channel that is never seen from mattering infinitely
SMOOTHING = 0.7  # 0: all of the spread between channels stays in the activation, 1: all goes to the weight
STEPS = 127


@dataclass
class Seen:
    """What the inputs of one linear map were like."""

    moments: Tensor  # [k, k] sum of x·xᵀ over all tokens
    peaks: Tensor  # [k] the largest |x| of each channel


def watch(tower: ReportTower, batches: Iterable[Batch]) -> list[dict[Part, Seen]]:
    """Run a tower in fp32 over reports and return what each linear map saw, for each layer."""
    seen: list[dict[Part, Seen]] = [{} for _ in tower.decoder.layers]
    hooks = [
        map_of(layer, part)[0].register_forward_pre_hook(_noting(seen[number], part))
        for number, layer in enumerate(tower.decoder.layers)
        for part in PARTS
    ]
    with torch.inference_mode():
        for batch in batches:
            tower(batch)
    for hook in hooks:
        hook.remove()
    return seen


def map_of(layer: nn.Module, part: Part) -> Sequence[nn.Linear]:
    """Return the linear maps of a decoder layer that share their input and so make one product."""
    assert isinstance(layer, DecoderLayer)  # noqa: S101 - for the types
    attention, mlp = layer.self_attn, layer.mlp
    return {
        "qkv": (attention.q_proj, attention.k_proj, attention.v_proj),
        "o": (attention.o_proj,),
        "gate_up": (mlp.gate_proj, mlp.up_proj),
        "down": (mlp.down_proj,),
    }[part]


def norms_of(layer: nn.Module) -> Sequence[tuple[Part, RMSNorm]]:
    """Return the norms of a decoder layer, each with the product that follows it."""
    assert isinstance(layer, DecoderLayer)  # noqa: S101 - for the types
    return ("qkv", layer.input_layernorm), ("gate_up", layer.post_attention_layernorm)


@torch.no_grad()
def byte_weights(
    decoder: Decoder, seen: Sequence[Mapping[Part, Seen]], fine: frozenset[Part], told: Callable[[float], object]
) -> dict[str, Tensor]:
    """Return the tensors that `models.int8.put_bytes` takes.

    Args:
        decoder: with its weights in fp32.
        seen: as `watch` returns it.
        fine: the parts whose activations have 16 bits and need no smoothing.
        told: hears the share that is done, 0–1.
    """
    tensors: dict[str, Tensor] = {}
    for number, layer in enumerate(decoder.layers):
        shrunk = {part: torch.ones(len(seen[number][part].peaks)) for part in PARTS}
        if "gate_up" not in fine:
            weight = torch.cat([one.weight for one in map_of(layer, "gate_up")])
            shrunk["gate_up"] = _smoothing(seen[number]["gate_up"].peaks, weight)
        for part in PARTS:
            weight = torch.cat([one.weight for one in map_of(layer, part)]) * shrunk[part]
            moments = seen[number][part].moments / torch.outer(shrunk[part], shrunk[part])
            values, scale = rounded(weight, moments)
            tensors |= {f"layers.{number}.{part}.weight": values, f"layers.{number}.{part}.scale": scale}
        for part, norm in norms_of(layer):
            tensors[f"layers.{number}.norm.{part}"] = norm.weight / shrunk[part]
        told((number + 1) / len(decoder.layers))
    return tensors


def rounded(weight: Tensor, moments: Tensor) -> tuple[Tensor, Tensor]:
    """Round a weight [n, k] for inputs with these second moments [k, k] → int8 [n, k] and the scale [n] of each row.

    The channels that matter most are rounded first; the error of each goes into those not rounded yet.
    """
    order = moments.diag().argsort(descending=True)
    weight, moments = weight[:, order].clone(), moments[order][:, order].clone()
    moments.diagonal().add_(DAMPING * moments.diag().mean())
    passed_on = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(moments)), upper=True)
    scale = (weight.abs().amax(dim=1, keepdim=True) / STEPS).clamp_min(1e-12)
    values = torch.zeros_like(weight)
    for start in range(0, weight.shape[1], BLOCK):
        stop = min(start + BLOCK, weight.shape[1])
        errors = torch.zeros(len(weight), stop - start)
        for at in range(start, stop):
            column = weight[:, at : at + 1]
            values[:, at : at + 1] = (column / scale).round().clamp(-STEPS, STEPS)
            error = (column - values[:, at : at + 1] * scale) / passed_on[at, at]
            weight[:, at:stop] -= error * passed_on[at, at:stop]
            errors[:, at - start : at - start + 1] = error
        weight[:, stop:] -= errors @ passed_on[start:stop, stop:]
    return values[:, order.argsort()].to(torch.int8), scale[:, 0]


def _smoothing(peaks: Tensor, weight: Tensor) -> Tensor:
    """Return by how much each channel [k] is shrunk in the activation and grown in the weight [n, k]."""
    grown: Tensor = weight.abs().amax(dim=0).clamp_min(1e-5) ** (1 - SMOOTHING)
    return peaks.clamp_min(1e-5) ** SMOOTHING / grown


def _noting(seen: dict[Part, Seen], part: Part) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].flatten(0, -2)  # [b, l, k] → [t, k]
        moments, peaks = x.T @ x, x.abs().amax(dim=0)
        known = seen.get(part)
        seen[part] = (
            Seen(moments, peaks) if known is None else Seen(known.moments + moments, torch.maximum(known.peaks, peaks))
        )

    return note
