"""LLM2CLIP4CXR as its authors publish it: one PyTorch file, converted once; their image tower is EVA02-CLIP in timm.

https://github.com/lukeingawesome/llm2clip4cxr. The file holds the image tower, a projection, and adapters over the
report tower `llm2vec4cxr`, whose weights come from their own place. Every key of it is accounted for.

Their checkpoint was trained without unit length and is compared without it, so its score is the plain inner product
(`clip_raw`). Its scale only stretches that score and changes no ranking: it is kept in the manifest, not applied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import Checkpoint, account_for, below, digest_of, read_pytorch_file, save_checkpoint
from models.dual import DualConfig, FilmEncoder, TextProjection, film_side_of
from models.hub import HubFolder
from models.interfaces import Dual, EncoderInfo, WeightsDamaged, WeightsMissing
from models.precision import Placement
from models.published import joint_tokenizer, published_config, published_tower
from models.text import DecoderTextEncoder, merge_lora
from models.vision import EvaConfig, EvaTower, Viewing, VisionConfig

BETWEEN = "; "  # between section prompt and report, as in their training
ADAPTER, UNUSED_ADAPTER = "llm2clip", "default"  # the second is made beside the first and never trained
ALPHA = 32  # of their adapters: W += alpha / r · B · A
_FILES = ("pytorch_model.bin", "consolidated.pth", "consolidated.pt", "weights.pth", "weights.pt", "model.pt")
_PATTERNS = ("*.bin", "*.pt", "*.pth")
_NESTINGS = ("state_dict", "module", "model_state_dict", "model", "sd", "weights")
_CORE = r"text\.(?:core|model)\."  # the same module, registered twice
_LORA = re.compile(
    _CORE + r"model\.base_model\.model\.(?P<target>layers\.\d+\.self_attn\.[qkvo]_proj)"
    r"\.(?P<side>lora_[AB])\.(?P<adapter>[^.]+)\.weight"
)
_COPY = re.compile(  # what was frozen comes from the report tower's own file
    _CORE + r"(?:latent_attn\..+|model\.(?:base_model\.model\.)?(?:embed_tokens\.weight|norm\.weight|layers\.\d+\."
    r"(?:self_attn\.[qkvo]_proj\.(?:base_layer\.)?weight|mlp\.(?:gate|up|down)_proj\.weight"
    r"|(?:input|post_attention)_layernorm\.weight)))"
)
_ROTATIONS = re.compile(r"visual\.(?:blocks\.\d+\.attn\.)?rope\.freqs_(?:cos|sin)")  # recomputed from the shape
_TIMM = (  # timm's names, and theirs
    (".attn.norm.", ".attn.inner_attn_ln."),
    (".mlp.norm.", ".mlp.ffn_ln."),
    (".mlp.fc1_g.", ".mlp.w1."),
    (".mlp.fc1_x.", ".mlp.w2."),
    (".mlp.fc2.", ".mlp.w3."),
)


def keep_dual(given: Path, target: Path, about: Mapping[str, Any]) -> None:
    """Convert the authors' checkpoint into one of ours.

    Args:
        given: the file, or a folder that holds it.
        target: folder of the converted weights: image tower under timm's names, projection, adapters.
        about: more for the manifest.

    Raises:
        WeightsMissing: no checkpoint there, or shards of one.
        WeightsDamaged: it cannot be read, or a key is missing, unknown, or of another shape; the message names it.
    """
    file = checkpoint_file(given)
    kept, adapter = _sorted(_state_dict(file), file.name)
    vision, text_dim = _shape(kept, file.name)
    with torch.device("meta"):
        image = EvaTower(vision).network.state_dict()
        projection = TextProjection(DualConfig(VisionConfig(), text_dim, vision.dim)).state_dict()
    expected = {f"visual.{_theirs(key)}": value for key, value in image.items()}
    expected |= {f"text.projection.{key}": value for key, value in projection.items()}
    expected |= {"logit_scale": torch.zeros(())}
    account_for(
        file.name, {key: value.squeeze() if key == "logit_scale" else value for key, value in kept.items()}, expected
    )
    tensors = {f"image.{key}": kept[f"visual.{_theirs(key)}"] for key in image}
    tensors |= {f"projection.{key}": kept[f"text.projection.{key}"] for key in projection}
    tensors |= {f"lora.{key}": value for key, value in adapter.items()}
    rank = next(iter(adapter.values())).shape[0]
    shape = {"vision": asdict(vision), "text_dim": text_dim, "lora_scale": ALPHA / rank}
    scale = {"logit_scale": kept["logit_scale"].item()}
    save_checkpoint(target, tensors, {**about, "kind": "published dual tower", "dual": shape, **scale})


def open_published_dual(name: str, trained: Checkpoint, text: HubFolder, placement: Placement) -> Dual:
    """Build both towers.

    Args:
        name: of the encoder.
        trained: what `keep_dual` wrote.
        text: the folder of `llm2vec4cxr`.
        placement: where they run.

    Raises:
        WeightsDamaged: the adapters do not fit the report tower, or its weights are not whole.
    """
    about, tensors = trained.manifest["dual"], trained.tensors()
    vision = EvaConfig(**about["vision"])
    config = published_config(text, "latent_attention")
    tower = published_tower(text, config)
    tower.decoder.to(placement.dtype)
    adapter = below(tensors, "lora.")
    _check_adapter(adapter, tower.decoder.state_dict(), trained.folder.name)
    merge_lora(tower.decoder, adapter, about["lora_scale"])
    side, projection = EvaTower(vision), TextProjection(DualConfig(VisionConfig(), about["text_dim"], vision.dim))
    side.network.load_state_dict(below(tensors, "image."))
    projection.load_state_dict(below(tensors, "projection."))
    deciding = json.dumps([about, config.max_tokens, BETWEEN], sort_keys=True)
    info = EncoderInfo(
        name=name,
        space="image",
        dim=vision.dim,
        max_tokens=config.max_tokens,
        score="clip_raw",
        precision=placement.precision,
        device=placement.device.type,
        revision=digest_of(text.revision, trained.revision, deciding, placement.precision),
        instructed=True,
        pooling=config.pooling,
    )
    return Dual(
        text=DecoderTextEncoder(tower, joint_tokenizer(text, config, BETWEEN), info, placement, projection),
        image=FilmEncoder(
            side,
            Viewing(vision.size, "centre", "clip"),
            film_side_of(info),
            placement,
        ),
    )


def checkpoint_file(given: Path) -> Path:
    """Return the one file of a checkpoint: itself, or in a folder the first of the names that its authors use.

    Raises:
        WeightsMissing: nothing there, or shards that their trainer has to join first.
    """
    if given.is_file():
        candidates = [given]
    else:
        candidates = [given / name for name in _FILES if (given / name).is_file()]
        candidates += [file for pattern in _PATTERNS for file in sorted(given.glob(pattern))]
    whole = [file for file in candidates if "mp_rank_" not in file.name]
    if whole:
        return whole[0]
    if candidates:
        raise WeightsMissing(
            "These are shards of a training run. Join them with "
            "`python -m deepspeed.utils.zero_to_fp32 FOLDER FOLDER/pytorch_model.bin` and give the file that it writes."
        )
    raise WeightsMissing(f"There is no checkpoint in {given.name!r}. Give the file llm2clip4cxr.bin.")


def _state_dict(file: Path) -> dict[str, Tensor]:
    """Read the file and unwrap what its writer put round the weights."""
    found: Mapping[str, Any] = read_pytorch_file(file)
    for _ in _NESTINGS:
        found = next((found[key] for key in _NESTINGS if isinstance(found.get(key), dict)), found)
    plain = {key.removeprefix("module."): value for key, value in found.items()}
    strange = next((key for key, value in plain.items() if not isinstance(value, Tensor)), None)
    if strange is not None:
        raise WeightsDamaged(f"The key {strange} of {file.name} is no weight. Give the published checkpoint.")
    return plain


def _sorted(found: Mapping[str, Tensor], name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return what is kept under their names, and the adapter: "layers.0.self_attn.q_proj.lora_A" → [r, in]."""
    kept: dict[str, Tensor] = {}
    adapters: dict[str, dict[str, Tensor]] = {}
    for key, value in found.items():
        if match := _LORA.fullmatch(key):
            adapter = adapters.setdefault(match["adapter"], {})
            short = f"{match['target']}.{match['side']}"
            if not torch.equal(adapter.setdefault(short, value), value):
                raise WeightsDamaged(f"The checkpoint {name} holds two versions of {short}. Download it again.")
        elif not (_COPY.fullmatch(key) or _ROTATIONS.fullmatch(key)):
            older = re.sub(r"\.attn\.([qv])_bias$", r".attn.\1_proj.bias", key)
            kept[older] = value.squeeze() if key == "logit_scale" else value
    return kept, _whole(_chosen(adapters, name), name)


def _chosen(adapters: Mapping[str, dict[str, Tensor]], name: str) -> dict[str, Tensor]:
    """Return the adapter that was trained: the one of that name, or the only one."""
    trained = [key for key in adapters if key != UNUSED_ADAPTER] or list(adapters)
    chosen = ADAPTER if ADAPTER in adapters else trained[0] if len(trained) == 1 else None
    if chosen is None:
        told = f"several adapters ({', '.join(sorted(trained))})" if trained else "no lora_A and lora_B weights"
        raise WeightsDamaged(f"The checkpoint {name} holds {told}; one, {ADAPTER!r}, was expected.")
    return adapters[chosen]


def _whole(adapter: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the adapter if it reaches every attention map of every layer, with one rank."""
    layers = 1 + max(int(key.split(".")[1]) for key in adapter)
    expected = {key: adapter.get(key, torch.zeros(())) for key in _adapter_keys(layers)}
    account_for(name, adapter, expected)
    ranks = {value.shape[0 if key.endswith("lora_A") else 1] for key, value in adapter.items()}
    if len(ranks) != 1:
        raise WeightsDamaged(f"The adapter of the checkpoint {name} has several ranks. Download it again.")
    return adapter


def _adapter_keys(layers: int) -> Iterator[str]:
    for layer in range(layers):
        for part in "qkvo":
            yield from (f"layers.{layer}.self_attn.{part}_proj.{side}" for side in ("lora_A", "lora_B"))


def _check_adapter(adapter: Mapping[str, Tensor], decoder: Mapping[str, Tensor], name: str) -> None:
    maps = {key.removesuffix(".weight"): value.shape for key, value in decoder.items() if ".self_attn." in key}
    reached = {
        key.removesuffix(".lora_A"): torch.Size((adapter[f"{key[:-1]}B"].shape[0], value.shape[1]))
        for key, value in adapter.items()
        if key.endswith(".lora_A")
    }
    if maps != reached:
        raise WeightsDamaged(f"The adapters of {name!r} do not fit this report tower. Fetch both again.")


def _shape(kept: Mapping[str, Tensor], name: str) -> tuple[EvaConfig, int]:
    """Return the shape of the image tower and the width of a report vector, as the weights show them."""
    try:
        patch = kept["visual.patch_embed.proj.weight"].shape[-1]
        tokens, width = kept["visual.pos_embed"].shape[1:]
        dim, text_dim = kept["text.projection.1.weight"].shape
    except (KeyError, ValueError) as error:
        raise WeightsDamaged(f"The checkpoint {name} lacks {error}. Give the published checkpoint.") from error
    blocks = {key.split(".")[2] for key in kept if key.startswith("visual.blocks.")}
    return EvaConfig(round((tokens - 1) ** 0.5) * patch, patch, width, len(blocks), dim), text_dim


def _theirs(key: str) -> str:
    """Return their name of a weight of timm's."""
    for timms, theirs in _TIMM:
        key = key.replace(timms, theirs)
    return key
