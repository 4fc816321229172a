"""LLM2Vec4CXR as its authors publish it, on our own decoder: their keys, their tokenisation, their two poolings.

https://huggingface.co/lukeingawesome/llm2vec4cxr and https://github.com/lukeingawesome/llm2vec4cxr. Their remote code
asks for releases of the library that are long gone; nothing of it is needed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from models.bidirectional import decoder_config
from models.catalogue import POOLING_CONFIG, TOKENIZER
from models.checkpoint import account_for, digest_of
from models.hub import HubFolder, open_hub_folder
from models.interfaces import EncoderInfo, TowerError, WeightsDamaged
from models.pooling import PoolingMode
from models.precision import Placement
from models.text import DecoderTextEncoder, ReportTower, TokenPair, TowerConfig

LATENT = "latent_attn."
BETWEEN = ";  "  # what stands between instruction and text in their evaluation, once the separator is taken out
POOLINGS = ("latent_attention", "mean")


class JointTokenizer:
    """Token ids of instruction and text as one string, cut apart where the text begins.

    The authors mark that place by a separator that a user could type, and count the text's tokens from the end. Here
    it is known by position: a token belongs to the text if it reaches into it.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, between: str = BETWEEN) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()
        self._between = between

    def pairs(self, texts: Sequence[str], instructions: Sequence[str]) -> list[TokenPair]:
        """Return the ids before each text, the first token of all included, and the text's own."""
        before = [f"{one}{self._between}" if one else "" for one in instructions]
        encodings = self._tokenizer.encode_batch([first + text for first, text in zip(before, texts, strict=True)])
        return [_apart(encoding, len(first)) for encoding, first in zip(encodings, before, strict=True)]


def published_encoder(
    name: str, folder: Path, placement: Placement, pooling: PoolingMode | None = None, note: str = ""
) -> DecoderTextEncoder:
    """Load the text tower from a folder in the hub's layout.

    Args:
        name: of the encoder.
        folder: config.json, tokenizer.json and the weights; llm2vec_config.json is read if it is there.
        placement: bf16 needs 2.6 GB for the 1B tower, fp32 5 GB.
        pooling: None for what the folder says, else latent attention.
        note: how this tower falls short.

    Raises:
        WeightsMissing: a file is not there.
        WeightsDamaged: a weight is missing, the latents of its pooling among them, or unknown.
        TowerError: the folder asks for something that this code would not do.
    """
    hub = open_hub_folder(folder, (TOKENIZER,))
    config = published_config(hub, pooling)
    tower = published_tower(hub, config)
    info = EncoderInfo(
        name=name,
        space="report",
        dim=tower.decoder.config.hidden_size,
        max_tokens=config.max_tokens,
        score="cosine",
        precision=placement.precision,
        device=placement.device.type,
        revision=digest_of(hub.revision, config.pooling, str(config.max_tokens), BETWEEN, placement.precision),
        instructed=True,
        note=note,
        pooling=config.pooling,
    )
    return DecoderTextEncoder(tower, joint_tokenizer(hub, config), info, placement)


def published_tower(hub: HubFolder, config: TowerConfig) -> ReportTower:
    """Build the tower of a folder; weights as stored, its pooling in fp32. Raises as `published_encoder`."""
    tower = _shape(hub, config)
    stored = hub.tensors()
    wanted = tower.state_dict()
    _check(hub.folder.name, stored, wanted)
    tower.load_state_dict({key: stored[_theirs(key)] for key in wanted}, assign=True)
    tower.pooling.float()
    return tower


def joint_tokenizer(hub: HubFolder, config: TowerConfig, between: str = BETWEEN) -> JointTokenizer:
    """Open the folder's tokenizer."""
    return JointTokenizer(Tokenizer.from_file(str(hub.folder / TOKENIZER)), config.max_tokens, between)


def published_config(hub: HubFolder, pooling: PoolingMode | None) -> TowerConfig:
    """Return how the folder's tower is built and read. Raises TowerError, WeightsDamaged."""
    said = hub.config(POOLING_CONFIG)
    chosen = pooling or said.get("pooling_mode", "latent_attention")
    if chosen not in POOLINGS or not said.get("skip_instruction", True):
        raise TowerError(
            f"{hub.folder.name!r} asks to pool by {chosen!r}"
            f"{'' if said.get('skip_instruction', True) else ', instruction included'}. "
            f"Known: {' and '.join(POOLINGS)}, over the text alone."
        )
    layers = hub.config().get("num_hidden_layers", 0)
    return TowerConfig(layers, "bidirectional", chosen, max_tokens=said.get("max_length", 512))


def keep_published(folder: Path, target: Path, about: Mapping[str, Any]) -> None:
    """Check a folder in the hub's layout, latents included, and write it as a checkpoint. Raises as the encoder."""
    hub = open_hub_folder(folder, (TOKENIZER,))
    stored = hub.tensors()
    _check(hub.folder.name, stored, _shape(hub, published_config(hub, "latent_attention")).state_dict())
    hub.save(target, {key: value for key, value in stored.items() if not _redundant(key)}, about)


def _shape(hub: HubFolder, config: TowerConfig) -> ReportTower:
    """Return the tower without memory for its weights."""
    try:
        decoder = decoder_config(hub.folder.name, hub.config(), config.layers)
    except KeyError as error:
        raise WeightsDamaged(f"The config of {hub.folder.name!r} lacks {error}. Fetch it again.") from error
    with torch.device("meta"):
        return ReportTower(decoder, config)


def _check(name: str, stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    expected = {_theirs(key): value for key, value in wanted.items()}
    latent = any(key.startswith(LATENT) for key in expected)
    unused = {key for key in stored if _redundant(key) or (key.startswith(LATENT) and not latent)}
    account_for(name, {key: value for key, value in stored.items() if key not in unused}, expected)


def _redundant(key: str) -> bool:
    """Whether a key repeats what the token table (tied) or the config (rotations) says."""
    return key == "lm_head.weight" or key.endswith("rotary_emb.inv_freq")


def _theirs(key: str) -> str:
    return f"model.{key.removeprefix('decoder.')}" if key.startswith("decoder.") else key.removeprefix("pooling.")


def _apart(encoding: Encoding, begins: int) -> TokenPair:
    """Cut an encoding at its first token that reaches beyond a character; an empty text is its last token."""
    own = (position for position, (_, end) in enumerate(encoding.offsets) if end > begins)
    first = next(own, max(0, len(encoding.ids) - 1))
    return encoding.ids[:first], encoding.ids[first:] or [0]
