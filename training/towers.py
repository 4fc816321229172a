"""From a run's best weights to a tower that `models.registry` loads."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.checkpoint import open_checkpoint, save_checkpoint
from training.adapters import shipped
from training.loop import Run

TRAINED_ON = "Open-I reports, training split (CC BY-NC-ND 4.0)"


def export_tower(recipe: Any, source: str, run: Run) -> None:  # noqa: ANN401 - any stage's recipe
    """Write the run's best weights into `tower/text` of its folder: fp16, adapters apart from their base.

    Args:
        recipe: the stage's recipe, a dataclass with `name`, `base`, `tower` and `lora`.
        source: the base's package or folder, and its licence.
        run: a finished run.
    """
    best = open_checkpoint(run.folder / "best")
    of_tower = {key.removeprefix("tower."): value for key, value in best.tensors().items() if not _helper(key)}
    about = {
        "kind": "report tower",
        "name": recipe.name,
        "backbone": recipe.base,
        "tower": asdict(recipe.tower),
        "lora_scale": recipe.lora.alpha / recipe.lora.r,
        "base": source,
        "licence": "CC BY-NC 4.0",
        "trained_on": TRAINED_ON,
        "stages": [*_stages_before(recipe), run.about(best.manifest["step"], best.manifest["measured"])],
    }
    save_checkpoint(run.folder / "tower" / "text", shipped(of_tower), about)


def _stages_before(recipe: Any) -> list[Any]:  # noqa: ANN401 - any stage's recipe
    start = getattr(recipe, "start", "")
    return list(open_checkpoint(Path(start) / "tower" / "text").manifest["stages"]) if start else []


def _helper(key: str) -> bool:
    """Whether a weight helped training only, such as a head."""
    return key.startswith(("head.", "helper."))
