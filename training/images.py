"""Where an image tower starts: from ImageNet, from an earlier stage, or from weights that others publish."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from models.checkpoint import below, open_checkpoint, read_pytorch_file, read_tensors
from models.dual import ImageSide
from models.interfaces import WeightsDamaged, WeightsMissing
from models.packaged import EFFICIENTNETS, efficientnet
from models.vision import VisionTower
from training.loop import Run


def begin_images(side: ImageSide, start: str) -> None:
    """Fill an image side from a dual tower, or its tower alone as `begin_tower` does."""
    if _is_dual(start):
        side.load_state_dict(below(open_checkpoint(Path(start) / "dual").tensors(), "image."))
    else:
        begin_tower(side.tower, start)


def begin_tower(tower: VisionTower, start: str) -> None:
    """Fill an image tower.

    Args:
        tower: changed in place.
        start: the folder of a dual tower, or of a run of `training.films`; a file of weights for this network, as timm
            or the authors of EVA-CLIP publish them; "" for ImageNet's weights where a package carries them, and none
            where not.

    Raises:
        WeightsMissing, WeightsDamaged: they are not there, or not those of this network.
    """
    network = tower.network
    if not start:
        if tower.config.architecture in EFFICIENTNETS:
            network.load_state_dict(efficientnet(tower.config.architecture, list(network.state_dict())))
    elif _is_dual(start):
        tower.load_state_dict(below(open_checkpoint(Path(start) / "dual").tensors(), "image.tower."))
    elif Path(start).is_dir():
        tower.load_state_dict(below(open_checkpoint(Path(start) / "best").tensors(), "tower."))
    else:
        _fill(tower, _published(Path(start)), Path(start).name)


def stages_before(start: str) -> list[dict[str, Any]]:
    """Return what made the image tower that a stage starts from, the first run of `training.films` first."""
    if _is_dual(start):
        return list(open_checkpoint(Path(start) / "dual").manifest["stages"])
    run = Run(Path(start))
    if not start or not (run.folder / "best").is_dir():
        return []
    best = open_checkpoint(run.folder / "best")
    about = run.about(best.manifest["step"], best.manifest["measured"])
    return [*stages_before(about["recipe"].get("start", "")), about]


def _is_dual(start: str) -> bool:
    return bool(start) and (Path(start) / "dual").is_dir()


def _published(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise WeightsMissing(f"There is no file of weights {file.name!r}. Name one in the recipe's `start`.")
    return read_tensors(file) if file.suffix == ".safetensors" else read_pytorch_file(file)


def _fill(tower: VisionTower, found: dict[str, Tensor], name: str) -> None:
    """Load published weights, positions resized to this tower's number of patches, without their head."""
    from timm.models.eva import checkpoint_filter_fn

    if tower.config.architecture.startswith("eva02"):
        found = checkpoint_filter_fn(found, tower.network)
    wanted = tower.network.state_dict()
    if missing := [key for key in wanted if key not in found or found[key].shape != wanted[key].shape]:
        raise WeightsDamaged(f"The weights {name} are not those of {tower.config.architecture}: {missing[0]} differs.")
    tower.network.load_state_dict({key: found[key] for key in wanted})
