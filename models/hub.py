"""A folder in the hub's layout (config.json, tokenizer, weights), read as data: none of its code ever runs.

`python -m explorer fetch` puts such a folder into the cache, with safetensors only and a manifest; one that a person
already has is read where it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from models.catalogue import CONFIG, POOLING_CONFIG, TOKENIZER, TOKENIZER_CONFIG, VOCABULARY, WEIGHTS
from models.checkpoint import (
    MANIFEST,
    digest_of,
    open_checkpoint,
    read_pytorch_file,
    read_tensors,
    save_checkpoint,
    sha256_of,
)
from models.interfaces import WeightsDamaged, WeightsMissing

_SMALL = (CONFIG, TOKENIZER, VOCABULARY, TOKENIZER_CONFIG, POOLING_CONFIG)  # all that is read beside the weights


@dataclass(frozen=True)
class HubFolder:
    """A folder whose files are there, and if it has a manifest, are those of its manifest."""

    folder: Path
    weights: tuple[Path, ...]
    revision: str  # sha256 over every file that is read

    def config(self, name: str = CONFIG) -> Mapping[str, Any]:
        """Return what a JSON file says; nothing if it is not there. Raises WeightsDamaged if it cannot be read."""
        file = self.folder / name
        try:
            said = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        except ValueError as error:
            raise WeightsDamaged(f"The file {name} of {self.folder.name!r} cannot be read. Fetch it again.") from error
        if not isinstance(said, dict):
            raise WeightsDamaged(f"The file {name} of {self.folder.name!r} is not what it should be. Fetch it again.")
        return said

    def tensors(self) -> dict[str, Tensor]:
        """Read all weights, as stored. Raises WeightsDamaged."""
        read = {True: read_tensors, False: read_pytorch_file}
        parts = [read[file.suffix == ".safetensors"](file) for file in self.weights]
        return {key: value for part in parts for key, value in part.items()}

    def save(self, target: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Write the folder as a checkpoint of ours: these tensors as safetensors, its small files, a manifest."""
        small = {name: (self.folder / name).read_bytes() for name in _SMALL if (self.folder / name).is_file()}
        save_checkpoint(target, tensors, about, small)


def open_hub_folder(folder: Path, needed: Iterable[str]) -> HubFolder:
    """Open a folder in the hub's layout.

    Args:
        folder: as the hub gives it, or as `HubFolder.save` wrote it.
        needed: names of the files that must be there beside the weights.

    Raises:
        WeightsMissing: a file is not there; the message names it.
        WeightsDamaged: a file is not what the manifest says.
    """
    weights = tuple(sorted(folder.glob("*.safetensors")))
    if not weights and (folder / WEIGHTS[1]).is_file():
        weights = (folder / WEIGHTS[1],)
    absent = [name for name in needed if not (folder / name).is_file()] + ([] if weights else [" or ".join(WEIGHTS)])
    if absent:
        raise WeightsMissing(f"The folder {folder.name!r} lacks {', '.join(absent)}. Download all of it.")
    if (folder / MANIFEST).is_file():
        return HubFolder(folder, weights, open_checkpoint(folder).revision)
    read = [folder / name for name in _SMALL if (folder / name).is_file()]
    return HubFolder(folder, weights, digest_of(*(sha256_of(file) for file in (*read, *weights))))
