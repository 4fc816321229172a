"""From a run's best weights to a tower that `models.registry` loads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from models.checkpoint import open_checkpoint, save_checkpoint
from models.packaged import TOKENIZER
from training.adapters import BASE, shipped
from training.loop import Run, first_worker
from training.students import PACKAGED, open_student

TRAINED_ON = "Open-I reports, training split (CC BY-NC-ND 4.0)"


def export_tower(recipe: Any, source: str, run: Run) -> None:  # noqa: ANN401 - any stage's recipe
    """Write the run's best weights into `tower/text` of its folder: fp16, adapters apart from their base.

    A packaged base stays in its package. One from a folder goes into the checkpoint, with its shape and its tokenizer,
    so that the tower is loaded without that folder. The first worker writes.

    Args:
        recipe: the stage's recipe, a dataclass with `name`, `base`, `tower`, `lora` and `train_tokens`.
        source: the base's package or folder, and its licence.
        run: a finished run.
    """
    if not first_worker():
        return
    best = open_checkpoint(run.folder / "best")
    of_tower = {key.removeprefix("tower."): value for key, value in best.tensors().items() if not _helper(key)}
    about: dict[str, Any] = {
        "kind": "report tower",
        "name": recipe.name,
        "backbone": Path(recipe.base).name,
        "tower": asdict(recipe.tower),
        "lora_scale": recipe.lora.alpha / recipe.lora.r,
        "base": source,
        "licence": "CC BY-NC 4.0",
        "trained_on": TRAINED_ON,
        "stages": [*_stages_before(recipe), run.about(best.manifest["step"], best.manifest["measured"])],
    }
    weights, files = shipped(of_tower), dict[str, bytes]()
    if recipe.base not in PACKAGED:
        about, weights, files = _with_base(recipe, about, weights)
    save_checkpoint(run.folder / "tower" / "text", weights, about, files)


def _with_base(
    recipe: Any,  # noqa: ANN401 - any stage's recipe
    about: Mapping[str, Any],
    weights: Mapping[str, Tensor],
) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, bytes]]:
    """Add the base: its shape to the manifest, what of it was not trained to the weights, and its tokenizer.

    Adapters are not folded in: the next stage goes on with them, over the same base.
    """
    student = open_student(recipe.base, recipe.tower, recipe.train_tokens)
    whole = student.language_model.state_dict()
    untrained = {f"{BASE}{key}": value.half() for key, value in whole.items() if f"{student.root}.{key}" not in weights}
    files = {TOKENIZER: (Path(recipe.base) / TOKENIZER).read_bytes()}
    return {**about, student.root: dict(student.shape)}, {**weights, **untrained}, files


def _stages_before(recipe: Any) -> list[Any]:  # noqa: ANN401 - any stage's recipe
    start = getattr(recipe, "start", "")
    return list(open_checkpoint(Path(start) / "tower" / "text").manifest["stages"]) if start else []


def _helper(key: str) -> bool:
    """Whether a weight helped training only, such as a head."""
    return key.startswith(("head.", "helper."))
