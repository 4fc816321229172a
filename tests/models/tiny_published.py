"""Checkpoints as the authors of the published towers write them, with random weights and a few thousand parameters."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tiny_towers import SPECIAL, byte_tokenizer
from tokenizers.processors import TemplateProcessing

WIDTH, LAYERS, HEADS, GROUPS, INNER = 64, 2, 4, 2, 96
VOCABULARY = len(SPECIAL) + 256
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 64,
}
CONFIG = {
    "architectures": ["LlamaBiModel"],
    "model_type": "llama",
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": GROUPS,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
    "rope_scaling": LLAMA3,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}
SIZE, PATCH, FILM_WIDTH, DEPTH, HIDDEN, DIM = 56, 14, 128, 2, 341, 24  # 4 × 4 patches, 2 heads of 64
RANK = 16


def drawn(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    """Random weights; those of norms near one."""
    draw = torch.Generator().manual_seed(seed)
    tensors = {key: 0.1 * torch.randn(shape, generator=draw) for key, shape in shapes.items()}
    return {key: 1 + value if "norm" in key and key.endswith("weight") else value for key, value in tensors.items()}


def llama_shapes() -> dict[str, tuple[int, ...]]:
    grouped = WIDTH // HEADS * GROUPS
    shapes = {"model.embed_tokens.weight": (VOCABULARY, WIDTH), "model.norm.weight": (WIDTH,)}
    for layer in range(LAYERS):
        root = f"model.layers.{layer}."
        shapes |= {f"{root}self_attn.{part}_proj.weight": (WIDTH, WIDTH) for part in "qo"}
        shapes |= {f"{root}self_attn.{part}_proj.weight": (grouped, WIDTH) for part in "kv"}
        shapes |= {f"{root}mlp.{part}_proj.weight": (INNER, WIDTH) for part in ("gate", "up")}
        shapes |= {f"{root}mlp.down_proj.weight": (WIDTH, INNER)}
        shapes |= {f"{root}{part}_layernorm.weight": (WIDTH,) for part in ("input", "post_attention")}
    return shapes


def latent_shapes() -> dict[str, tuple[int, ...]]:
    return {
        "latent_attn.latents": (512, WIDTH),
        "latent_attn.multihead_attn.in_proj_weight": (3 * WIDTH, WIDTH),
        "latent_attn.multihead_attn.in_proj_bias": (3 * WIDTH,),
        "latent_attn.multihead_attn.out_proj.weight": (WIDTH, WIDTH),
        "latent_attn.multihead_attn.out_proj.bias": (WIDTH,),
        **{f"latent_attn.mlp.{part}.weight": (WIDTH, WIDTH) for part in (0, 2)},
        **{f"latent_attn.mlp.{part}.bias": (WIDTH,) for part in (0, 2)},
    }


def text_tensors() -> dict[str, torch.Tensor]:
    """Every key of the published text tower."""
    return drawn(llama_shapes(), 0) | {key: 5 * value for key, value in drawn(latent_shapes(), 1).items()}


def write_text_tower(
    folder: Path, tensors: dict[str, torch.Tensor] | None = None, weights: str = "safetensors"
) -> Path:
    """Write a folder in the hub's layout; weights "safetensors" or "bin"."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    tokenizer = byte_tokenizer()
    tokenizer.post_processor = TemplateProcessing(single=f"{SPECIAL[0]} $A", special_tokens=[(SPECIAL[0], 0)])
    tokenizer.save(str(folder / "tokenizer.json"))
    stored = text_tensors() if tensors is None else tensors
    if weights == "safetensors":
        save_file(stored, folder / "model.safetensors")
    else:
        torch.save(stored, folder / "pytorch_model.bin")
    return folder


def film_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, FILM_WIDTH),
        "pos_embed": (1, 1 + (SIZE // PATCH) ** 2, FILM_WIDTH),
        "patch_embed.proj.weight": (FILM_WIDTH, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (FILM_WIDTH,),
        "head.weight": (DIM, FILM_WIDTH),
        "head.bias": (DIM,),
    }
    norms = {"norm": FILM_WIDTH}
    for block in range(DEPTH):
        root = f"blocks.{block}."
        shapes |= {
            f"{root}attn.{part}.weight": (FILM_WIDTH, FILM_WIDTH) for part in ("q_proj", "k_proj", "v_proj", "proj")
        }
        shapes |= {f"{root}attn.{part}.bias": (FILM_WIDTH,) for part in ("q_proj", "v_proj", "proj")}
        shapes |= {f"{root}mlp.{part}.weight": (HIDDEN, FILM_WIDTH) for part in ("w1", "w2")}
        shapes |= {f"{root}mlp.{part}.bias": (HIDDEN,) for part in ("w1", "w2")}
        shapes |= {f"{root}mlp.w3.weight": (FILM_WIDTH, HIDDEN), f"{root}mlp.w3.bias": (FILM_WIDTH,)}
        norms |= {f"{root}{part}": FILM_WIDTH for part in ("norm1", "norm2", "attn.inner_attn_ln")}
        norms |= {f"{root}mlp.ffn_ln": HIDDEN}
    return shapes | {f"{name}.{part}": (width,) for name, width in norms.items() for part in ("weight", "bias")}


def lora_shapes() -> dict[str, tuple[int, ...]]:
    outs = {"q": WIDTH, "k": WIDTH // HEADS * GROUPS, "v": WIDTH // HEADS * GROUPS, "o": WIDTH}
    return {
        f"layers.{layer}.self_attn.{part}_proj.lora_{side}": (RANK, WIDTH) if side == "A" else (out, RANK)
        for layer in range(LAYERS)
        for part, out in outs.items()
        for side in "AB"
    }


def rotations() -> tuple[torch.Tensor, torch.Tensor]:
    """Cos and sin for each patch [patches, 64]: half of a head turns with the row, half with the column."""
    steps = torch.arange(SIZE // PATCH) / (SIZE // PATCH) * 16
    angles = torch.outer(steps, 1 / 10_000 ** (torch.arange(0, 32, 2) / 32)).repeat_interleave(2, dim=1)
    grid = len(steps)
    rows, columns = angles[:, None].expand(grid, grid, 32), angles[None].expand(grid, grid, 32)
    both = torch.cat((rows, columns), dim=-1).reshape(grid * grid, 64)
    return both.cos(), both.sin()


def dual_tensors(core: str = "core", adapter: str = "llm2clip") -> dict[str, torch.Tensor]:
    """Every key of the published dual tower, buffers, frozen copies and the unused adapter among them."""
    root = f"text.{core}.model.base_model.model."
    stored = {f"visual.{key}": value for key, value in drawn(film_shapes(), 2).items()}
    cos, sin = rotations()
    for place in ("rope", *(f"blocks.{block}.attn.rope" for block in range(DEPTH))):
        stored |= {f"visual.{place}.freqs_cos": cos.clone(), f"visual.{place}.freqs_sin": sin.clone()}
    for key, value in drawn(lora_shapes(), 3).items():
        stored[f"{root}{key}.{adapter}.weight"] = value
        stored[f"{root}{key}.default.weight"] = torch.zeros_like(value)
    for key, value in drawn(llama_shapes(), 0).items():
        copied = key.removeprefix("model.")
        attention = ".self_attn." in copied
        stored[root + (copied.replace(".weight", ".base_layer.weight") if attention else copied)] = value
    stored |= {f"text.{core}.{key}": value for key, value in drawn(latent_shapes(), 1).items()}
    norm = {"text.projection.0.weight": (WIDTH,), "text.projection.0.bias": (WIDTH,)}
    stored |= drawn(norm | {"text.projection.1.weight": (DIM, WIDTH), "text.projection.1.bias": (DIM,)}, 4)
    return stored | {"logit_scale": torch.tensor(2.5)}
