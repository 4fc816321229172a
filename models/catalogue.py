"""The towers whose weights others publish: where they lie, their licence, and how each is meant to be used.

Nothing here is heavy, and nothing here connects: `python -m explorer fetch NAME` alone does, with what this page says.
Repositories and uses are those of the paper's own evaluation, https://github.com/lukeingawesome/llm2vec4cxr and
https://github.com/lukeingawesome/llm2clip4cxr.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.interfaces import WeightsFile, WeightsSource, cache_folder

WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # in the order wanted
CONFIG, TOKENIZER, VOCABULARY = "config.json", "tokenizer.json", "vocab.txt"
POOLING_CONFIG, TOKENIZER_CONFIG = "llm2vec_config.json", "tokenizer_config.json"
DUAL_FILE = "llm2clip4cxr.bin"
_DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="
_LLAMA_LICENCE = "MIT; its base, Llama 3.2, has a community licence of its own"
_LLAMA_FILES = (
    WeightsFile((CONFIG,)),
    WeightsFile((TOKENIZER,)),
    WeightsFile((POOLING_CONFIG,), optional=True),
    WeightsFile(WEIGHTS),
)
_BERT_FILES = (
    WeightsFile((CONFIG,)),
    WeightsFile((VOCABULARY,)),
    WeightsFile((TOKENIZER_CONFIG,), optional=True),
    WeightsFile(WEIGHTS),
)


@dataclass(frozen=True)
class Published:
    """A tower of others: its weights, and how its authors use it."""

    weights: str  # the name its weights are fetched by; towers that differ in their use share them
    kind: Literal["llama", "bert", "dual"]
    pooling: Literal["latent_attention", "mean", "cls"]
    note: str


_GENERAL = "a masked language model that was never trained to compare texts"
TEXT_TOWERS = {
    "llm2vec4cxr": Published("llm2vec4cxr", "llama", "latent_attention", ""),
    "llm2vec4cxr-mean": Published("llm2vec4cxr", "llama", "mean", "pooled by mean, as in its authors' evaluation"),
    "bert-base": Published("bert-base", "bert", "mean", f"baseline: BERT of general English, {_GENERAL}"),
    "biomedbert": Published("biomedbert", "bert", "mean", f"baseline: BERT of PubMed articles, {_GENERAL}"),
    "bioclinicalbert": Published("bioclinicalbert", "bert", "mean", f"baseline: BERT of clinical notes, {_GENERAL}"),
    "clinicalbert": Published("clinicalbert", "bert", "mean", f"baseline: BERT of health records, {_GENERAL}"),
    "cxr-bert": Published("cxr-bert", "bert", "cls", "baseline: BERT of PubMed and MIMIC, before it met films"),
    "cxr-bert-specialized": Published(
        "cxr-bert-specialized", "bert", "cls", "baseline: BERT of chest X-ray reports, aligned with films"
    ),
}
DUAL_TOWERS = {"llm2clip4cxr": Published("llm2clip4cxr", "dual", "latent_attention", "")}
NEEDS = {"llm2clip4cxr": "llm2vec4cxr"}  # a checkpoint that holds what was trained on top of another


def source_of(tower: str) -> WeightsSource:
    """Return where the weights of a published tower come from. Raises KeyError for any other name."""
    return _sources()[(TEXT_TOWERS | DUAL_TOWERS)[tower].weights]


def weights_folder(weights: str) -> Path:
    """Return the folder that fetched weights are put into."""
    return cache_folder() / "weights" / weights


def to_fetch(tower: str) -> str:
    """Return the name to fetch before a published tower can be loaded, "" if all is here."""
    weights = (TEXT_TOWERS | DUAL_TOWERS)[tower].weights
    wanted = (weights, NEEDS[weights]) if weights in NEEDS else (weights,)
    return next((name for name in wanted if not (weights_folder(name) / "manifest.json").is_file()), "")


def _sources() -> dict[str, WeightsSource]:
    return {
        source.name: source
        for source in (
            _llama(),
            _dual(),
            _hub("bert-base", "google-bert/bert-base-uncased", "Apache-2.0", 440_000_000),
            _hub("biomedbert", "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext", "MIT", 440_000_000),
            _hub("bioclinicalbert", "emilyalsentzer/Bio_ClinicalBERT", "MIT", 436_000_000),
            _hub("clinicalbert", "medicalai/ClinicalBERT", "none stated by its authors", 542_000_000),
            _hub("cxr-bert", "microsoft/BiomedVLP-CXR-BERT-general", "MIT", 440_000_000),
            _hub("cxr-bert-specialized", "microsoft/BiomedVLP-CXR-BERT-specialized", "MIT", 440_000_000),
        )
    }


def _hub(name: str, repository: str, licence: str, size: int) -> WeightsSource:
    page = _page(repository)
    return WeightsSource(name, page, f"{page}/resolve/main/", licence, size, _BERT_FILES)


def _page(repository: str) -> str:
    """Return a repository's page on the hub, or on the mirror that the hub's own variable names."""
    return f"{os.environ.get('HF_ENDPOINT', 'https://huggingface.co').rstrip('/')}/{repository}"


def _llama() -> WeightsSource:
    page = _page("lukeingawesome/llm2vec4cxr")
    return WeightsSource(
        name="llm2vec4cxr",
        page=page,
        files_at=f"{page}/resolve/main/",
        licence=_LLAMA_LICENCE,
        size=2_520_000_000,
        files=_LLAMA_FILES,
        wants_gpu=True,
    )


def _dual() -> WeightsSource:
    return WeightsSource(
        name="llm2clip4cxr",
        page="https://github.com/lukeingawesome/llm2clip4cxr",
        files_at="",
        licence=_LLAMA_LICENCE,
        size=6_300_000_000,  # its 1.57 billion parameters in fp32; half of that if they were saved in bf16
        files=(WeightsFile((DUAL_FILE,), url=f"{_DRIVE}1BzqCtu3X92-AAs03B-16wL5TY91xtAcJ"),),
        wants_gpu=True,
    )
