"""A Llama decoder as a text encoder, with an attention switch. The full definition is in this file.

Llama: https://arxiv.org/abs/2307.09288 (pre-norm, RoPE, grouped queries, SwiGLU). Bidirectional use of a decoder:
LLM2Vec, https://arxiv.org/abs/2404.05961, and paper section 3: the causal mask goes, the padding mask stays.

Why not the library's class: importing it costs more start-up time than loading and running this model, and its switch
(`config.is_causal`) is one attribute that older and newer releases read in different places. Here the mask is built in
one function. Names of parameters are the library's, so its checkpoints load as they are; a test holds the two equal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from models.interfaces import TowerError

Attention = Literal["bidirectional", "causal"]


@dataclass(frozen=True)
class RopeScaling:
    """Llama 3's stretching of slow rotations, https://arxiv.org/abs/2407.21783 section 3.4."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int


@dataclass(frozen=True)
class DecoderConfig:
    """Shape of a Llama decoder. Defaults are SmolLM2-135M's."""

    vocab_size: int = 49_152
    hidden_size: int = 576
    intermediate_size: int = 1_536
    num_hidden_layers: int = 30
    num_attention_heads: int = 9
    num_key_value_heads: int = 3
    rms_norm_eps: float = 1e-5
    rope_theta: float = 100_000.0
    rope_scaling: RopeScaling | None = None

    @property
    def head_dim(self) -> int:
        """Return the width of one attention head."""
        return self.hidden_size // self.num_attention_heads


def decoder_config(name: str, about: Mapping[str, Any], layers: int) -> DecoderConfig:
    """Return the shape of a Llama from the library's config.json, with its first so many layers.

    Args:
        name: of the language model, for messages.
        about: what config.json says, as older or newer releases of the library write it.
        layers: how many of its layers are used.

    Raises:
        KeyError: the config lacks what decides the shape.
        TowerError: the model would run, but not as it was meant.
    """
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
    rope = about.get("rope_parameters") or {**(about.get("rope_scaling") or {}), "rope_theta": about.get("rope_theta")}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind not in ("default", "llama3"):
        raise TowerError(f"The positions of {name!r} are stretched in a way ({kind}) that this code does not know.")
    stretch = {key: rope[key] for key in RopeScaling.__dataclass_fields__} if kind == "llama3" else None
    return DecoderConfig(
        **{key: about[key] for key in names},
        num_hidden_layers=layers,
        rms_norm_eps=about["rms_norm_eps"],
        rope_theta=rope["rope_theta"] or 10_000.0,  # what files older than the key mean
        rope_scaling=RopeScaling(**stretch) if stretch else None,
    )


class RMSNorm(nn.Module):
    """Root-mean-square norm, computed in fp32: the residual stream holds channels up to about 8,000."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """[b, l, d] fp32 → [b, l, d] in the weight's precision, which is that of the products that follow."""
        squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square() / x.shape[-1]
        return (x * torch.rsqrt(squares + self.eps)).to(self.weight.dtype) * self.weight


class Product(nn.Linear):
    """A linear map. Without memory for its weights it draws none: PyTorch would load its compiler to do that."""

    def reset_parameters(self) -> None:
        """Draw the weights, if there are any."""
        if not self.weight.is_meta:
            super().reset_parameters()


class TokenTable(nn.Embedding):
    """A vector for each token; as `Product`."""

    def reset_parameters(self) -> None:
        """Draw the vectors, if there are any."""
        if not self.weight.is_meta:
            super().reset_parameters()


class SelfAttention(nn.Module):
    """Grouped-query attention with rotary positions."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        self.q_proj = Product(config.hidden_size, config.num_attention_heads * self.head_dim, bias=False)
        self.k_proj = Product(config.hidden_size, config.num_key_value_heads * self.head_dim, bias=False)
        self.v_proj = Product(config.hidden_size, config.num_key_value_heads * self.head_dim, bias=False)
        self.o_proj = Product(config.num_attention_heads * self.head_dim, config.hidden_size, bias=False)

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x [b, l, d], mask [b, 1, l, l] additive, cos and sin [l, head_dim] → [b, l, d]."""
        q = rotate(self._heads(self.q_proj(x)), cos, sin)
        k = rotate(self._heads(self.k_proj(x)), cos, sin)
        v = self._heads(self.v_proj(x))
        mixed = attend(q, k, v, mask)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # [b, h, l, e] → [b, l, d]

    def _heads(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        return x.view(batch, length, -1, self.head_dim).transpose(1, 2)  # [b, l, h·e] → [b, h, l, e]


class MLP(nn.Module):
    """SwiGLU feed-forward."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = Product(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = Product(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = Product(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[b, l, d] → [b, l, d]."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))  # type: ignore[no-any-return]


class DecoderLayer(nn.Module):
    """Attention and feed-forward, each behind a norm, each added to the stream."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x [b, l, d] → [b, l, d]."""
        x = x + self.self_attn(self.input_layernorm(x), mask, cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """The decoder without its language-model head.

    In bf16 (`decoder.to(torch.bfloat16)`) the products are bf16 and the residual stream stays fp32.
    """

    def __init__(self, config: DecoderConfig, attention: Attention) -> None:
        super().__init__()
        self.config = config
        self.attention: Attention = attention
        self.checkpointing = False  # training: keep the activations of one layer at a time, and make them twice
        self.embed_tokens = TokenTable(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, ids: Tensor, attended: Tensor) -> Tensor:
        """Run the decoder.

        Args:
            ids: [b, l] int64 token ids, padded on the right.
            attended: [b, l] bool, False on padding.

        Returns:
            [b, l, d] last hidden states; rows of padding hold no meaning.
        """
        return self.norm(self._streams(ids, attended)[-1])  # type: ignore[no-any-return]

    def states_at(self, depths: Sequence[int], ids: Tensor, attended: Tensor) -> list[Tensor]:
        """Run the decoder and return states after some of its layers, each scaled to a root mean square of 1.

        Args:
            depths: numbers of layers passed; 0 is the token table itself.
            ids: as `forward`.
            attended: as `forward`.

        Returns:
            [b, l, d] fp32 for each depth, in the order given.
        """
        streams = self._streams(ids, attended)
        width, eps = (self.config.hidden_size,), self.config.rms_norm_eps
        return [F.rms_norm(streams[depth], width, eps=eps) for depth in depths]

    def _streams(self, ids: Tensor, attended: Tensor) -> list[Tensor]:
        """Return the residual stream [b, l, d] fp32 before the first layer and after each."""
        streams = [self.embed_tokens(ids).float()]
        dtype = self.norm.weight.dtype
        mask = attention_mask(attended, self.attention).to(dtype)
        cos, sin = (table.to(dtype) for table in rotary_table(self.config, ids.shape[1], ids.device))
        for layer in self.layers:
            if self.checkpointing and torch.is_grad_enabled():
                streams.append(checkpoint(layer, streams[-1], mask, cos, sin, use_reentrant=False))
            else:
                streams.append(layer(streams[-1], mask, cos, sin))
        return streams


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Attention of q [b, h, l, e] over k and v [b, g, l, e], h a multiple of g, with an additive mask [b, 1, l, l].

    Written out where a gradient flows on a CPU: the fused kernel's backward takes four times as long there in bf16.
    """
    if not (torch.is_grad_enabled() and q.device.type == "cpu"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    groups = q.shape[1] // k.shape[1]
    keys, values = (x.repeat_interleave(groups, dim=1) for x in (k, v))  # [b, g, l, e] → [b, h, l, e]
    return (q @ keys.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask).softmax(dim=-1) @ values


def attention_mask(attended: Tensor, attention: Attention) -> Tensor:
    """Return the additive mask [b, 1, l, l]: 0 where a query position may look, a large negative number elsewhere.

    Args:
        attended: [b, l] bool, False on padding.
        attention: "bidirectional" hides padding only; "causal" also hides later positions.
    """
    length = attended.shape[1]
    visible = attended[:, None, None, :].expand(-1, 1, length, -1)  # [b, l] → [b, 1, l, l]
    if attention == "causal":
        visible = visible & torch.ones(length, length, dtype=torch.bool, device=attended.device).tril()
    # A finite floor: a row that sees nothing (padding on the left of a causal row) stays a number.
    return torch.zeros(visible.shape, device=attended.device).masked_fill(~visible, -1e9)  # [b, 1, l, l]


def rotary_table(config: DecoderConfig, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cos and sin of the rotary angles, each [length, head_dim] fp32."""
    exponents = torch.arange(0, config.head_dim, 2, device=device, dtype=torch.float32) / config.head_dim
    frequencies = _stretched(config.rope_theta**-exponents, config.rope_scaling)
    angles = torch.outer(torch.arange(length, device=device, dtype=torch.float32), frequencies)
    angles = torch.cat((angles, angles), dim=-1)  # [l, e/2] → [l, e]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + head_dim/2) of x [b, h, l, e] by their position's angles."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def _stretched(frequencies: Tensor, scaling: RopeScaling | None) -> Tensor:
    if scaling is None:
        return frequencies
    turns = scaling.original_max_position_embeddings * frequencies / (2 * math.pi)
    share = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    share = share.clamp(0, 1)  # 1: a fast rotation, kept; 0: a slow one, stretched
    return share * frequencies + (1 - share) * frequencies / scaling.factor
