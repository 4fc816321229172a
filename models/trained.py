"""The towers trained here, and the language model under them as it came: from files to encoders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.bidirectional import DecoderConfig, RopeScaling
from models.byte_presets import byte_folder, byte_note
from models.checkpoint import MANIFEST, Checkpoint, below, digest_of, fill, open_checkpoint, own_base
from models.film_check import FILM_CHECK, known_films
from models.int8 import multiplies_bytes, put_bytes
from models.interfaces import Dual, EncoderInfo, TextEncoder, TowerError, WeightsDamaged, WeightsMissing
from models.packaged import TOKENIZER, smollm2
from models.precision import Placement
from models.text import (
    DecoderTextEncoder,
    PairTokenizer,
    ReportTower,
    TextTokenizer,
    TowerConfig,
    merge_lora,
    tower_config,
)

if TYPE_CHECKING:
    from models.baselines import BertTower

BASE = TowerConfig(attention="causal", pooling="mean", max_tokens=512)


def base_encoder(placement: Placement) -> TextEncoder:
    """Load SmolLM2 as it came, pooled by mean. Raises WeightsMissing."""
    base = smollm2()
    tower, tokenizer = decoder_tower(base, BASE)
    revision = digest_of(base.revision, json.dumps(_plain(BASE)), placement.precision)
    note = "untrained: SmolLM2-135M as it came, pooled by mean"
    info = EncoderInfo(
        "base",
        "report",
        576,
        BASE.max_tokens,
        "cosine",
        placement.precision,
        placement.device.type,
        revision,
        True,
        note,
        BASE.pooling,
    )
    return DecoderTextEncoder(tower, TextTokenizer(tokenizer, BASE.max_tokens), info, placement)


def trained_encoder(folder: Path, placement: Placement, preset: str = "") -> TextEncoder:
    """Load a trained report tower from its folder: a decoder's or a BERT's. Raises WeightsMissing, WeightsDamaged.

    preset: the name of the encoder where it is not that of the tower, for 8-bit weights.
    """
    trained = open_checkpoint(folder)
    if _is_bert(trained):
        from models.baselines import trained_bert_encoder

        return trained_bert_encoder(trained, placement)
    if placement.precision == "int8":
        return byte_encoder(trained, preset)
    tower, tokenizer, info = open_trained_tower(folder, placement)
    return DecoderTextEncoder(tower, tokenizer, info, placement)


def byte_encoder(trained: Checkpoint, preset: str = "") -> DecoderTextEncoder:
    """Load a trained tower with byte weights, under the name of its preset, if one is given.

    Raises:
        WeightsMissing: they were not made yet.
        WeightsDamaged: they were made of another tower, or are not whole.
        TowerError: this CPU gains nothing.
    """
    if not multiplies_bytes():
        raise TowerError("This CPU does not multiply bytes natively (AVX-512 VNNI). Use precision 'auto'.")
    name = trained.manifest["name"]
    folder, remedy = byte_folder(name), f"Make them: `python -m training.quantize {name}`."
    if not (folder / MANIFEST).is_file():
        raise WeightsMissing(f"{name!r} has no 8-bit weights here. {remedy}")
    bytes_ = open_checkpoint(folder)
    if bytes_.manifest["made_of"] != trained.manifest["files"]:
        raise WeightsDamaged(f"The 8-bit weights of {name!r} were made of another tower. {remedy}")
    tower, tokenizer, info = open_trained_tower(trained.folder, Placement(torch.device("cpu"), "fp32"))
    put_bytes(tower.decoder, bytes_.tensors(), frozenset(bytes_.manifest["fine"]))
    revision = digest_of(info.revision, bytes_.revision, json.dumps(bytes_.manifest["fine"]))
    note = byte_note(bytes_.manifest)
    described = replace(info, name=preset or name, precision="int8", revision=revision, note=note)
    return DecoderTextEncoder(tower, tokenizer, described, Placement(torch.device("cpu"), "int8"))


def trained_dual(folder: Path, placement: Placement) -> Dual:
    """Load two trained towers with a shared space from their folder, or from one beside it that holds a tower for both.

    Raises WeightsMissing, WeightsDamaged.
    """
    from models.dual import open_dual  # its networks take seconds to import, which a search by text need not wait for

    dual = open_checkpoint(folder / "dual")
    reports, films = (_home_of(tower, folder, dual) for tower in ("report_tower", "image_tower"))
    if dual.manifest["text_revision"] != open_checkpoint(reports / "text").revision:
        raise WeightsDamaged(f"The image and report towers of {folder.name!r} were not trained together.")
    beside = open_checkpoint(films / "dual") if films != folder else None
    known = known_films(films / FILM_CHECK)
    return open_dual(dual, *open_report_tower(reports / "text", placement), placement, known, beside)


def _home_of(tower: str, folder: Path, dual: Checkpoint) -> Path:
    """Return the folder of a tower: its own, or the one beside it that the manifest of the shared space names."""
    beside = dual.manifest.get(tower)
    return folder if beside is None else folder.parent / Path(beside).name


def open_report_tower(folder: Path, placement: Placement) -> tuple[ReportTower | BertTower, PairTokenizer, EncoderInfo]:
    """Open a trained report tower of either kind: its parts, for a stage on top of it or a projection behind it."""
    trained = open_checkpoint(folder)
    if _is_bert(trained):
        from models.baselines import open_trained_bert

        return open_trained_bert(trained, placement)
    return open_trained_tower(folder, placement)


def _is_bert(trained: Checkpoint) -> bool:
    return bool(trained.manifest["backbone"] == "minilm" or "bert" in trained.manifest)


def decoder_tower(base: Checkpoint, config: TowerConfig) -> tuple[ReportTower, Tokenizer]:
    """Build a report tower on a decoder's weights, reading only the layers it uses, and the decoder's tokenizer."""
    used = base.tensors(lambda key: not key.startswith("layers.") or int(key.split(".")[1]) < config.layers)
    weights = {key: value.float() for key, value in used.items()}
    tower = ReportTower(DecoderConfig(num_hidden_layers=config.layers), config, weights)
    return tower, Tokenizer.from_file(str(base.folder / TOKENIZER))


def open_trained_tower(folder: Path, placement: Placement) -> tuple[ReportTower, TextTokenizer, EncoderInfo]:
    """Open a trained report tower: its parts, for a stage that trains on top of it or a projection behind it."""
    trained = open_checkpoint(folder)
    config = tower_config(trained.manifest)
    tensors = trained.tensors()
    tower, tokenizer, base = _base_tower(trained, tensors, config)
    lora_scale = trained.manifest["lora_scale"]
    tower.decoder.load_state_dict(below(tensors, "decoder."), strict=False)  # where everything was trained
    merge_lora(tower.decoder, below(tensors, "lora."), lora_scale)
    fill(tower.pooling, below(tensors, "pooling."))
    if tower.whitening is not None:
        fill(tower.whitening, below(tensors, "whitening."))
    deciding = json.dumps([_plain(config), lora_scale])
    revision = digest_of(base, trained.revision, deciding, placement.precision)
    info = EncoderInfo(
        trained.manifest["name"],
        "report",
        tower.decoder.config.hidden_size,
        config.max_tokens,
        "cosine",
        placement.precision,
        placement.device.type,
        revision,
        instructed=True,
        pooling=f"whitened {config.pooling}" if config.whitening else config.pooling,
    )
    return tower, TextTokenizer(tokenizer, config.max_tokens), info


def _base_tower(
    trained: Checkpoint, tensors: Mapping[str, Tensor], config: TowerConfig
) -> tuple[ReportTower, Tokenizer, str]:
    """Return the tower as it was before training, its tokenizer, and what identifies both.

    The base comes from its package, or from the checkpoint itself where the manifest gives the shape of a decoder.
    """
    shape = trained.manifest.get("decoder")
    if shape is None:
        base = smollm2()
        return *decoder_tower(base, config), base.revision
    stretch = shape["rope_scaling"]
    decoder = DecoderConfig(**{**shape, "rope_scaling": RopeScaling(**stretch) if stretch else None})
    tower = ReportTower(decoder, config)
    fill(tower.decoder, own_base(tensors, "decoder."))
    tokenizer = Tokenizer.from_file(str(trained.folder / TOKENIZER))
    return tower, tokenizer, digest_of(json.dumps(shape, sort_keys=True))


def _plain(config: TowerConfig) -> dict[str, Any]:
    return dict(sorted(vars(config).items()))
