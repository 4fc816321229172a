"""The published metrics, each by its own package and under its own name; none of the packages is a requirement.

A package is imported when its metric is asked for, and nothing is ever fetched: while it runs, the client of the model
hub answers from its cache alone, and what is not there is a MetricMissing. What needs no weights, and therefore has
another name, is in explorer.metrics.clinical.

The calls follow what could be read of each package; none could be run here. Read in source: radgraph 0.1.18
(https://pypi.org/project/radgraph/), RaTEScore (https://github.com/MAGIC-AI4Med/RaTEScore, RaTEScore/scorer.py),
GREEN (https://github.com/Stanford-AIMI/GREEN, tests/test_repro.py for its call). Known from uses only: f1chexbert 0.0.2
(https://pypi.org/project/f1chexbert/), sacrebleu (https://github.com/mjpost/sacrebleu), rouge_score
(https://github.com/google-research/google-research/tree/master/rouge).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from statistics import fmean
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from explorer.errors import CxrError, MetricMissing

_OFFLINE = "HF_HUB_OFFLINE"


@dataclass(frozen=True)
class _Metric:
    """A published metric: what to import, what pip calls it, and how to ask it for candidates and references."""

    module: str
    pip: str
    ask: Callable[[ModuleType, list[str], list[str]], float]

    @property
    def package(self) -> str:
        """Return the name of the package that is looked for."""
        return self.module.partition(".")[0]


def names() -> tuple[str, ...]:
    """Return the names of the published metrics, as their authors write them."""
    return tuple(_METRICS)


def available() -> Mapping[str, str]:
    """Return for each metric "" if its package is installed, else what to do; nothing is imported.

    Whether its weights are there as well shows only when it is asked for a score.
    """
    return {name: "" if find_spec(one.package) else _not_installed(one) for name, one in _METRICS.items()}


def score(name: str, candidates: Sequence[str], references: Sequence[str]) -> float:
    """Return a published metric of paired reports, 0–1 (BLEU too, which its package gives as 0–100).

    CheXbert macro-F1 is over the 14 labels and ROUGE-L is the F-measure without stemming; both have one reference for
    each candidate, as all here do. RadGraph F1 is the package's level "partial" with its model "radgraph-xl". All run
    on the processor, GREEN with 7 billion weights included. GREEN's package has the hub's library run the code cached
    with its weights. While a score is computed the offline setting and the standard output belong to it, so scores
    are asked for one at a time.

    Raises MetricMissing for an unknown name, or if the package, what it needs, or its weights are not on this machine;
    ValueError without texts or with unequal numbers of them.
    """
    metric = _METRICS.get(name)
    if metric is None:
        raise MetricMissing(f"No published metric has that name. There are: {', '.join(_METRICS)}.")
    if not candidates or len(candidates) != len(references):
        raise ValueError("A metric needs at least one candidate, and one reference for each.")
    if find_spec(metric.package) is None:
        raise MetricMissing(_not_installed(metric))
    try:
        # GREEN prints sentences of the reports it is given.
        with _offline(), redirect_stdout(StringIO()):
            return metric.ask(importlib.import_module(metric.module), list(candidates), list(references))
    except Exception as error:
        reason = _reason(metric.package, error)
        if not reason:
            raise
        raise MetricMissing(reason) from error


@contextmanager
def _offline() -> Iterator[None]:
    """Have the hub's client answer from its cache alone; afterwards it is as it was.

    The client reads the variable once, when it is imported; what it asks at each call is its own constant.
    """
    hub: Any = importlib.import_module("huggingface_hub.constants")
    variable, constant = os.environ.get(_OFFLINE), hub.HF_HUB_OFFLINE
    os.environ[_OFFLINE], hub.HF_HUB_OFFLINE = "1", True
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE = constant
        if variable is None:
            del os.environ[_OFFLINE]
        else:
            os.environ[_OFFLINE] = variable


def _not_installed(metric: _Metric) -> str:
    return f"The package {metric.package} is not installed: pip install {metric.pip}"


def _reason(package: str, error: BaseException) -> str:
    """Return what a failure of a package means for its metric, "" if nothing is known to be missing."""
    if any(map(_not_in_cache, _causes(error))):
        return f"The weights of {package} are not on this machine: fetch them once with the package itself, online."
    if isinstance(error, ImportError):
        return f"The package {package} cannot be imported: a package it needs is not installed, or of another version."
    if isinstance(error, TypeError | AttributeError):
        return f"The package {package} does not fit the versions of the packages installed beside it."
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those it came from, up to one of ours, which is of an earlier call.

    radgraph wraps what its download raised in a plain Exception.
    """
    while error is not None and not isinstance(error, CxrError):
        yield error
        error = error.__cause__ or error.__context__


def _not_in_cache(error: BaseException) -> bool:
    """Return whether an error is the hub's or transformers' answer without a connection, not a fault of the disk.

    The hub raises LocalEntryNotFoundError, a FileNotFoundError, or OfflineModeIsEnabled, a ConnectionError;
    transformers a bare OSError without a number.
    """
    if isinstance(error, FileNotFoundError | ConnectionError):
        return True
    return isinstance(error, OSError) and error.errno is None


def _chexbert(package: ModuleType, candidates: list[str], references: list[str]) -> float:
    _, _, fourteen, _ = package.F1CheXbert(device="cpu")(hyps=candidates, refs=references)
    return float(fourteen["macro avg"]["f1-score"])


def _radgraph(package: ModuleType, candidates: list[str], references: list[str]) -> float:
    grapher = package.F1RadGraph(reward_level="partial", model_type="radgraph-xl", cuda=-1)
    return float(grapher(hyps=candidates, refs=references)[0])


def _ratescore(package: ModuleType, candidates: list[str], references: list[str]) -> float:
    return fmean(package.RaTEScore(use_gpu=False).compute_score(candidates, references))


def _green(package: ModuleType, candidates: list[str], references: list[str]) -> float:
    with TemporaryDirectory() as folder:  # earlier versions write the reports there
        judge = package.GREEN(
            "StanfordAIMI/GREEN-radllama2-7b", output_dir=folder, cpu=True, compute_summary_stats=False
        )
        _, _, scores, *_ = judge(references, candidates)
    return fmean(scores)


def _bleu(package: ModuleType, candidates: list[str], references: list[str]) -> float:
    return float(package.corpus_bleu(candidates, [references]).score) / 100


def _rouge(package: ModuleType, candidates: list[str], references: list[str]) -> float:
    scorer = package.RougeScorer(["rougeL"])
    pairs = zip(references, candidates, strict=True)
    return fmean(scorer.score(reference, candidate)["rougeL"].fmeasure for reference, candidate in pairs)


_METRICS: Mapping[str, _Metric] = {
    "CheXbert macro-F1": _Metric("f1chexbert", "f1chexbert", _chexbert),
    "RadGraph F1": _Metric("radgraph", "radgraph", _radgraph),
    "RaTEScore": _Metric("RaTEScore", "RaTEScore", _ratescore),
    "GREEN": _Metric("green_score", "git+https://github.com/Stanford-AIMI/GREEN", _green),
    "BLEU": _Metric("sacrebleu", "sacrebleu", _bleu),
    "ROUGE-L": _Metric("rouge_score.rouge_scorer", "rouge-score", _rouge),
}
