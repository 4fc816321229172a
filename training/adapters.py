"""What of a tower is trained: low-rank adapters, or everything. One adapter goes through all stages and is shipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from peft import LoraConfig as PeftLora
from peft import inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from models.checkpoint import Checkpoint
from models.interfaces import CxrError

BASE = "base."  # before the names of what was not trained, in a checkpoint that needs no other


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters on every projection of the language model, https://arxiv.org/abs/2106.09685."""

    r: int = 16
    alpha: int = 32
    dropout: float = 0.05
    first_layer: int = 0  # layers below stay as they are, and cost no backward pass
    train: Literal["adapters", "everything"] = "adapters"


def make_trainable(language_model: nn.Module, targets: tuple[str, ...], layers: int, lora: LoraConfig) -> None:
    """Freeze a language model and add adapters to its projections, or set all of it to be trained in fp32.

    Args:
        language_model: changed in place.
        targets: names of the linear maps that get an adapter.
        layers: how many layers it has.
        lora: what to train.
    """
    if lora.train == "everything":
        language_model.float().requires_grad_(True)
        return
    language_model.requires_grad_(False)
    config = PeftLora(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(targets),
        layers_to_transform=list(range(lora.first_layer, layers)),
        layers_pattern=["layers", "layer"],
        bias="none",
    )
    inject_adapter_in_model(config, language_model)
    for module in language_model.modules():
        if isinstance(module, LoraLayer):
            module.cast_input_dtype_enabled = False  # autocast decides; a second cast each way costs a third of a step
            module.lora_A.float()  # peft takes the base's bf16, in which small updates round to nothing
            module.lora_B.float()


@torch.no_grad()
def go_on_from(tower: nn.Module, trained: Checkpoint, root: str) -> None:
    """Take over what an earlier stage trained; parts that only this stage has keep their start.

    Args:
        tower: changed in place.
        trained: the earlier stage's tower, as shipped.
        root: the tower's attribute that holds its language model.

    Raises:
        CxrError: the earlier stage trained something that this tower does not have, or in another shape.
    """
    parameters = dict(tower.named_parameters())
    for key, value in trained.tensors(lambda key: not key.startswith(BASE)).items():
        target = parameters.get(training_name(key, root))
        if target is None or target.shape != value.shape:
            raise CxrError(f"The tower to go on from does not fit this recipe: {key}. Give both the same shape.")
        target.copy_(value)


def shipped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return trained weights under the names they are shipped with, in fp16."""
    return {shipped_name(key): value.half() for key, value in weights.items()}


def shipped_name(key: str) -> str:
    """From peft's name to ours: "decoder.layers.0….q_proj.lora_A.default.weight" → "lora.layers.0….q_proj.lora_A"."""
    if ".lora_" not in key:
        return key
    return "lora." + key.partition(".")[2].removesuffix(".default.weight")


def training_name(key: str, root: str) -> str:
    """The way back from `shipped_name`, for a tower whose language model is its attribute `root`."""
    return f"{root}.{key.removeprefix('lora.')}.default.weight" if key.startswith("lora.") else key
