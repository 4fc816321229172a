"""A Llama decoder with 8-bit weights, for CPUs that multiply bytes (AVX-512 VNNI).

Weights are 8-bit, one scale for each output, rounded so that the error in the products is least (`models.quantizing`).
Activations are scaled for each token. Where 8 bits of them ruin the embedding they are held in 16 bits, as two planes
of bytes that are multiplied one after the other: that is still faster than a product in bf16, and loses nothing that
can be measured. The residual stream, the norms and attention stay fp32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.bidirectional import Decoder, DecoderConfig, rotate

Part = Literal["qkv", "o", "gate_up", "down"]
PARTS: tuple[Part, ...] = get_args(Part)
FINE_STEPS, COARSE_STEPS = 32_639, 127  # the largest number of a token: 127 · 256 + 127, so that its high byte fits
TINY = 1e-12


def multiplies_bytes() -> bool:
    """Whether this CPU multiplies bytes natively, without which this decoder is slower than the plain one."""
    return bool(torch.cpu._is_vnni_supported())


class ByteLinear(nn.Module):
    """A linear map without bias whose weights are bytes.

    Args:
        weight: [n, k] int8.
        scale: [n] fp32, of each output.
        fine: activations in 16 bits, else in 8.
    """

    def __init__(self, weight: Tensor, scale: Tensor, *, fine: bool) -> None:
        super().__init__()
        self.fine = fine
        self.packed_bytes = weight.numel()
        self._packed: Tensor = torch.ops.onednn.qlinear_prepack(weight, None)
        self.register_buffer("_scale", scale)
        self.register_buffer("_zero", torch.zeros(len(scale), dtype=torch.int32))

    def forward(self, x: Tensor, factor: Tensor | None = None) -> Tensor:
        """X [b, l, k] fp32 → [b, l, n] fp32; `factor` [b, l, 1] multiplies each token's output."""
        peak = torch.maximum(x.amax(-1, keepdim=True), -x.amin(-1, keepdim=True)).clamp_min_(TINY)
        steps = FINE_STEPS if self.fine else COARSE_STEPS
        whole = (x * (steps / peak)).round_().to(torch.int16)
        if self.fine:
            y = self._product((whole >> 8).add_(128).to(torch.uint8), 256.0, 128)
            y = self._product_onto(y, whole.to(torch.uint8))  # the conversion keeps the low byte
        else:
            y = self._product(whole.add_(128).to(torch.uint8), 1.0, 128)
        unit = peak.div_(steps)
        return y.mul_(unit if factor is None else unit.mul_(factor))

    def _product(self, x: Tensor, scale: float, zero: int) -> Tensor:
        return torch.ops.onednn.qlinear_pointwise(  # type: ignore[no-any-return]
            x, scale, zero, self._packed, self._scale, self._zero, None, 1.0, 0, torch.float32, "none", [], ""
        )

    def _product_onto(self, y: Tensor, x: Tensor) -> Tensor:
        """Add the product of bytes x to y, in place."""
        return torch.ops.onednn.qlinear_pointwise.binary(  # type: ignore[no-any-return]
            *(x, 1.0, 0, self._packed, self._scale, self._zero, y, None, 1.0, 0, torch.float32),
            *(1.0, 0, "sum", 1.0, "none", [], ""),
        )


class ByteLayer(nn.Module):
    """A decoder layer with byte weights; stands where `models.bidirectional.DecoderLayer` stood.

    Args:
        config: of the decoder.
        tensors: "qkv.weight" and "qkv.scale", the same for the other `PARTS`; "norm.qkv" and "norm.gate_up", the
            weights of the two norms.
        fine: the parts whose activations have 16 bits.
    """

    def __init__(self, config: DecoderConfig, tensors: Mapping[str, Tensor], fine: frozenset[Part]) -> None:
        super().__init__()
        self.config = config
        self.parts = nn.ModuleDict(
            {part: ByteLinear(tensors[f"{part}.weight"], tensors[f"{part}.scale"], fine=part in fine) for part in PARTS}
        )
        self._before_attention = tensors["norm.qkv"]
        self._before_mlp = tensors["norm.gate_up"]

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x [b, l, d], mask [b, 1, l, l] additive, cos and sin [l, head_dim] → [b, l, d]."""
        mixed = self._attend(self._normed("qkv", x, self._before_attention), mask, cos, sin)
        x = x + self.parts["o"](mixed)
        gate, up = self._normed("gate_up", x, self._before_mlp).chunk(2, dim=-1)
        return x + self.parts["down"](F.silu(gate).mul_(up))  # type: ignore[no-any-return]

    def _normed(self, part: Part, x: Tensor, weight: Tensor) -> Tensor:
        """Norm and linear map; what the norm divides a token by is put off until after the map."""
        squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1])
        return self.parts[part](x * weight, squares.add_(self.config.rms_norm_eps).rsqrt_())  # type: ignore[no-any-return]

    def _attend(self, qkv: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Attention of [b, l, (h + 2g)·e] → [b, l, h·e]: the h/g queries of one key side by side."""
        batch, length, _ = qkv.shape
        heads, groups, width = (
            self.config.num_attention_heads,
            self.config.num_key_value_heads,
            self.config.head_dim,
        )
        split = qkv.view(batch, length, heads + 2 * groups, width).transpose(1, 2)  # [b, l, …] → [b, h + 2g, l, e]
        turned = rotate(split[:, : heads + groups], cos, sin)
        queries = turned[:, :heads].reshape(batch * groups, -1, width)  # [b, h, l, e] → [b·g, h/g·l, e]
        keys = turned[:, heads:].reshape(batch * groups, length, width)
        values = split[:, heads + groups :].reshape(batch * groups, length, width)
        scores = torch.bmm(queries, keys.transpose(1, 2)).view(batch, heads, length, length)
        shares = torch.add(mask, scores, alpha=width**-0.5).softmax(dim=-1)
        mixed = torch.bmm(shares.view(batch * groups, -1, length), values).view(batch, heads, length, width)
        return mixed.transpose(1, 2).flatten(2)  # [b, h, l, e] → [b, l, h·e]


def put_bytes(decoder: Decoder, tensors: Mapping[str, Tensor], fine: frozenset[Part]) -> None:
    """Put byte layers in the place of a decoder's own, and hold its token table in half precision.

    Args:
        decoder: changed in place.
        tensors: "layers.0.qkv.weight" and so on, see `ByteLayer`.
        fine: the parts whose activations have 16 bits.
    """
    for number in range(len(decoder.layers)):
        prefix = f"layers.{number}."
        own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        decoder.layers[number] = ByteLayer(decoder.config, own, fine)
    decoder.embed_tokens.half()
