"""Towers that others publish, by their names: kept in the cache, loaded from it, and never asked for over a network."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from test_hub_berts import write_bert
from tiny_published import DIM, WIDTH, dual_tensors, text_tensors, write_text_tower

from models.catalogue import DUAL_TOWERS, TEXT_TOWERS, source_of, weights_folder
from models.interfaces import UnknownTower, WeightsDamaged, WeightsMissing
from models.registry import dual_names, install, is_whole, load_dual, load_text_encoder, missing, names, source

NOTES = ["Small left effusion.", "Clear lungs."]
FILM = np.random.default_rng(0).integers(0, 256, (90, 70), dtype=np.uint8)


@pytest.fixture(autouse=True)
def offline_cache(tmp_path, monkeypatch):
    """An empty cache, and a machine without a network."""

    def refuse(*_):
        raise AssertionError("something tried to connect")

    monkeypatch.setenv("CXR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def loaded(name):
    return load_text_encoder(name, precision="fp32", device="cpu")


@pytest.mark.parametrize("name", sorted(TEXT_TOWERS))
def test_a_tower_that_is_not_here_is_answered_with_the_command_that_gets_it(name, tmp_path):
    with pytest.raises(WeightsMissing) as refused:
        loaded(name)
    wanted = TEXT_TOWERS[name].weights
    assert f"python -m explorer fetch {wanted}`" in str(refused.value)
    assert str(refused.value) == missing(name)
    assert str(tmp_path) not in str(refused.value)


def test_the_dual_tower_asks_for_its_own_weights_and_then_for_the_report_towers(tmp_path):
    with pytest.raises(WeightsMissing, match="fetch llm2clip4cxr"):
        load_dual("llm2clip4cxr")
    torch.save(dual_tensors(), tmp_path / "llm2clip4cxr.bin")
    install("llm2clip4cxr", tmp_path / "llm2clip4cxr.bin", {})
    with pytest.raises(WeightsMissing, match="fetch llm2vec4cxr"):
        load_dual("llm2clip4cxr")
    install("llm2vec4cxr", write_text_tower(tmp_path / "hub"), {})
    dual = load_dual("llm2clip4cxr", precision="fp32", device="cpu")
    assert dual.text.encode(NOTES, "Find").shape == (2, DIM)
    assert dual.image.encode([FILM]).shape == (1, DIM)
    assert (dual.text.info.name, dual.text.info.score) == ("llm2clip4cxr", "clip_raw")


def test_one_set_of_weights_serves_both_poolings(tmp_path):
    install("llm2vec4cxr", write_text_tower(tmp_path / "hub"), {})
    latent, mean = loaded("llm2vec4cxr"), loaded("llm2vec4cxr-mean")
    assert (latent.info.pooling, mean.info.pooling) == ("latent_attention", "mean")
    assert (latent.info.name, mean.info.name, latent.info.dim) == ("llm2vec4cxr", "llm2vec4cxr-mean", WIDTH)
    assert "mean" in mean.info.note
    assert mean.info.revision != latent.info.revision


@pytest.mark.parametrize(
    ("name", "kind", "pooling"),
    [
        ("bert-base", "old", "mean"),
        ("biomedbert", "bert", "mean"),
        ("bioclinicalbert", "bert", "mean"),
        ("clinicalbert", "distilbert", "mean"),
        ("cxr-bert", "cxr-bert", "cls"),
        ("cxr-bert-specialized", "cxr-bert", "cls"),
    ],
)
def test_each_baseline_is_pooled_as_the_paper_does_and_reads_256_tokens(tmp_path, name, kind, pooling):
    install(name, write_bert(tmp_path / "hub", kind, "pytorch_model.bin"), {"pytorch_model.bin": "ab" * 32})
    encoder = loaded(name)
    assert (encoder.info.name, encoder.info.pooling, encoder.info.max_tokens) == (name, pooling, 256)
    assert encoder.info.note.startswith("baseline")
    assert encoder.encode(NOTES).shape == (2, 32)
    assert not encoder.info.instructed


def test_the_manifest_tells_source_licence_and_what_was_fetched(tmp_path):
    install("cxr-bert", write_bert(tmp_path / "hub", "cxr-bert"), {"model.safetensors": "ab" * 32})
    manifest = json.loads((weights_folder("cxr-bert") / "manifest.json").read_text())
    assert manifest["source"] == "https://huggingface.co/microsoft/BiomedVLP-CXR-BERT-general"
    assert manifest["licence"] == "MIT"
    assert manifest["fetched"] == {"model.safetensors": "ab" * 32}


def test_a_fetched_tower_that_was_damaged_is_refused(tmp_path):
    install("bert-base", write_bert(tmp_path / "hub"), {})
    assert is_whole("bert-base")
    file = weights_folder("bert-base") / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert not is_whole("bert-base")
    with pytest.raises(WeightsDamaged, match="damaged"):
        loaded("bert-base")


def test_what_does_not_fit_leaves_nothing_behind(tmp_path):
    bare = {key: value for key, value in text_tensors().items() if not key.startswith("latent_attn.")}
    with pytest.raises(WeightsDamaged, match="latents"):
        install("llm2vec4cxr", write_text_tower(tmp_path / "hub", bare), {})
    assert missing("llm2vec4cxr")
    assert not is_whole("llm2vec4cxr")


def test_a_folder_of_the_hub_is_loaded_where_it_is(tmp_path):
    llama, bert = write_text_tower(tmp_path / "mine"), write_bert(tmp_path / "yours")
    assert loaded(llama).info.pooling == "latent_attention"
    assert loaded(bert).info.name == "yours"
    with pytest.raises(UnknownTower):
        load_dual(llama)


def test_every_published_tower_says_where_it_comes_from():
    for name in (*TEXT_TOWERS, *DUAL_TOWERS):
        origin = source(name)
        assert origin == source_of(name)
        assert origin.page.startswith("https://")
        assert origin.licence
        assert origin.size > 10**8
        assert all(file.names for file in origin.files)
    assert [source(name) for name in ("pocket", "base", "minilm")] == [None] * 3
    assert {name for name in (*names(), *dual_names()) if source(name) and source(name).wants_gpu} == {
        "llm2vec4cxr",
        "llm2vec4cxr-mean",
        "llm2clip4cxr",
    }


def test_the_hubs_own_variable_names_a_mirror(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert source("bert-base").files_at == "https://mirror.example/google-bert/bert-base-uncased/resolve/main/"


def test_to_ask_which_towers_are_here_loads_nothing_heavy():
    asked = "import sys; from models.registry import *; [missing(n) for n in names()]; print('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    said = subprocess.run([sys.executable, "-c", asked], cwd=root, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
