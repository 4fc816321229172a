"""LLM2CLIP4CXR: films and their own reports into one space, paper section 4.

    python -m training.clip training/recipes/paper-base.toml [--resume]

The image tower is trained whole, the report tower stays as it is but for an adapter of its own, both sides end in a
projection, and every film of a batch is compared with every report of it, both ways. The batch is made in parts, so it
may be larger than memory, and several processes share it: `training.gradient_cache`.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn
from torch.nn import functional as F

from models.baselines import BertTower
from models.checkpoint import open_checkpoint, save_checkpoint
from models.dual import DualConfig, ImageSide, TextProjection, language_model_of
from models.interfaces import CxrError
from models.text import Batch, LoraTarget, ReportTower, length_buckets, pad
from models.trained import open_report_tower
from models.vision import Viewing, VisionConfig
from training.adapters import LoraConfig, make_trainable, shipped_name
from training.augment import cropped, jittered
from training.command import RUNS
from training.datasets import fingerprint
from training.gradient_cache import Chunk, accumulate_in_chunks
from training.images import begin_images
from training.loop import LoopConfig, Run, Workers, first_worker, train
from training.losses import image_text_contrastive
from training.paired_data import Pair, PairedCorpus, drawn_text, prompts_of, read_film, read_pairs, words_of
from training.recipe import load_recipe
from training.tasks.paired import same_word_ranks

DECODER_TARGETS: tuple[LoraTarget, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")  # paper section 4
BERT_TARGETS = ("query", "key", "value")
CHANGES = {"crop": cropped, "jitter": jittered}
MEASURED = 2_000  # validation pairs, at most


@dataclass(frozen=True, kw_only=True)
class PairedRecipe:
    """A recipe of this stage. Defaults are the paper's, where it gives one."""

    name: str
    text: str  # folder of the trained report tower; its `text/` is read
    corpus: PairedCorpus
    vision: VisionConfig
    loop: LoopConfig
    lora: LoraConfig = field(default_factory=lambda: LoraConfig(r=16, alpha=32, dropout=0.1))
    dim: int = 1280
    batch: int = 1024  # pairs, of all processes together
    lr_vision: float = 1e-5
    lr_text: float = 1e-5
    lr_projection: float = 1e-4
    layer_decay: float = 0.85  # of lr_vision, a layer towards the film
    beta2: float = 0.98
    epsilon: float = 1e-6
    shuffle: float = 0.3  # how often a report's sentences change places
    by_section: bool = False  # findings and impressions apart, with their prompts and placeholders
    changes: str = "crop"  # of films: "crop", as CLIP; or "jitter"
    films_at_once: int = 32
    chunk_tokens: int = 8_192
    gradient_cache: bool = True
    checkpointing: bool = False  # hold the activations of one layer at a time, and make them twice
    start: str = ""  # of the image tower: a dual tower's folder, a run of `training.films`, or a file of weights


@dataclass(frozen=True)
class Films:
    """Films of a batch, read when their turn comes."""

    files: tuple[Path, ...]
    viewing: Viewing


class PairedTowers(nn.Module):
    """Everything this stage trains, and the report tower under it."""

    def __init__(self, text: ReportTower | BertTower, text_dim: int, recipe: PairedRecipe) -> None:
        super().__init__()
        config = DualConfig(recipe.vision, text_dim, recipe.dim)
        self.text, self.projection, self.image = text, TextProjection(config), ImageSide(config)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self._change = CHANGES[recipe.changes]

    def forward(self, part: Batch | Films) -> Tensor:
        """Return [n, dim] of texts or films, not normalised."""
        if isinstance(part, Batch):
            return self.projection(self.text(part))  # type: ignore[no-any-return]
        films = part.viewing.films([read_film(file) for file in part.files])
        changed = self._change(films) if self.training else films
        return self.image(changed.to(self.logit_scale.device))  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> PairedTowers:
        """Train, but let batch norms keep their statistics: a batch is made in parts, and they must not decide."""
        super().train(mode)
        for module in self.image.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self


class PairedStage:
    """Towers, and the pairs of the training and the validation split."""

    def __init__(self, recipe: PairedRecipe) -> None:
        if recipe.changes not in CHANGES:
            raise CxrError(f"Films are not changed by {recipe.changes!r}. Known: {', '.join(CHANGES)}.")
        self._recipe = recipe
        self._placement = recipe.loop.placement()
        self._pairs = read_pairs(recipe.corpus, "train")
        self._validation = read_pairs(recipe.corpus, "validation")[:MEASURED]
        text, self._tokenizer, info = open_report_tower(Path(recipe.text) / "text", self._placement)
        torch.manual_seed(recipe.loop.seed)
        _adapt(text, recipe.lora)
        if isinstance(text, ReportTower):
            text.decoder.checkpointing = recipe.checkpointing
        self.trained = PairedTowers(text, info.dim, recipe)
        begin_images(self.trained.image, recipe.start)
        if recipe.checkpointing:
            self.trained.image.tower.network.set_grad_checkpointing(True)
        self.trained.to(self._placement.device)
        self._viewing = Viewing(recipe.vision.size, colours=recipe.vision.colours)

    def fingerprints(self) -> dict[str, str]:
        """Return what identifies the training data."""
        return {
            "pairs": fingerprint(
                [f"{pair.study} {pair.film.name} {words_of(pair.sections, 'report')}" for pair in self._pairs]
            )
        }

    def groups(self) -> list[dict[str, Any]]:
        """Return each layer of the image tower at its own rate, the adapter at another, what is new at a third."""
        recipe, towers = self._recipe, self.trained
        same = {"betas": (0.9, recipe.beta2), "eps": recipe.epsilon}
        layers = param_groups_layer_decay(towers.image.tower.network, layer_decay=recipe.layer_decay)
        groups = [{"params": one["params"], "lr": recipe.lr_vision * one["lr_scale"]} for one in layers]
        adapter = [p for p in towers.text.parameters() if p.requires_grad]
        new = [*towers.projection.parameters(), *towers.image.head.parameters(), towers.logit_scale]
        groups += [{"params": adapter, "lr": recipe.lr_text}, {"params": new, "lr": recipe.lr_projection}]
        return [{**group, **same} for group in groups if group["params"]]

    def accumulate(self, step: int, workers: Workers) -> float:
        """Add the gradients of this worker's films and reports of one batch."""
        draw = np.random.default_rng((self._recipe.loop.seed, step))
        size = min(self._recipe.batch, len(self._pairs))
        pairs = [self._pairs[row] for row in draw.choice(len(self._pairs), size, replace=False)]
        texts = [drawn_text(pair.sections, draw, self._recipe.shuffle, self._recipe.by_section) for pair in pairs]
        chunks = [*self._text_chunks(texts, size), *self._film_chunks(pairs)]

        def loss_of(vectors: Tensor) -> Tensor:
            return image_text_contrastive(vectors[:size], vectors[size:], self.trained.logit_scale)

        seed = self._recipe.loop.seed * 1_000_003 + step * 1_009
        return accumulate_in_chunks(self.trained, chunks, loss_of, workers, seed, self._recipe.gradient_cache)

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Return recall within the validation split, both ways; a report with the same words is as right."""
        texts = [words_of(pair.sections, "report") for pair in self._validation]
        rows = [self._encoded(chunk) for chunk in self._film_chunks(self._validation)]
        films = F.normalize(torch.cat(rows), dim=-1).numpy()
        read = torch.zeros(len(texts), self._recipe.dim)
        for places, batch in self._text_chunks(texts, 0):
            read[places] = self._encoded((places, batch))
        reports = F.normalize(read, dim=-1).numpy()
        figures = {
            f"{way} recall@{k}": value
            for way, one, other in (("film → report", films, reports), ("report → film", reports, films))
            for k, value in recalls(one @ other.T, texts).items()
        }
        return {"mean recall": float(np.mean(list(figures.values()))), **figures}

    def _encoded(self, chunk: Chunk) -> Tensor:
        with self._placement.autocast():
            return self.trained(chunk[1]).float().cpu()  # type: ignore[no-any-return]

    def _text_chunks(self, texts: Sequence[str], first: int) -> Iterator[Chunk]:
        prompts = prompts_of(texts)
        tokens = self._tokenizer.pairs(texts, prompts)
        lengths = [len(prefix) + len(text) for prefix, text in tokens]
        for rows in length_buckets(lengths, self._recipe.chunk_tokens):
            batch = pad([tokens[row] for row in rows]).to(self._placement.device)
            yield [first + row for row in rows], batch

    def _film_chunks(self, pairs: Sequence[Pair]) -> Iterator[Chunk]:
        for start in range(0, len(pairs), self._recipe.films_at_once):
            part = pairs[start : start + self._recipe.films_at_once]
            yield list(range(start, start + len(part))), Films(tuple(pair.film for pair in part), self._viewing)


def recalls(scores: np.ndarray, texts: Sequence[str], ks: Sequence[int] = (1, 5, 10)) -> dict[int, float]:
    """Return recall at each k of scores [n, n], pair i on the diagonal; any pair with the same words is as right."""
    ranks = same_word_ranks(scores, texts)
    return {k: float((ranks <= k).mean()) for k in ks}


def export(recipe: PairedRecipe, stage: PairedStage, run: Run) -> None:
    """Write the run's best weights, beside the report tower they belong to, as `models.registry` loads them."""
    if not first_worker():
        return
    best = open_checkpoint(run.folder / "best")
    whole = {**stage.trained.state_dict(), **best.tensors()}
    tensors = {
        shipped_name(key.removeprefix("text.")): value.half() if value.dim() > 1 else value
        for key, value in whole.items()
        if key.startswith(("projection.", "image.")) or ".lora_" in key
    }
    about = {
        "kind": "dual tower",
        "name": recipe.name,
        "dual": {
            "vision": asdict(recipe.vision),
            "text_dim": stage.trained.projection.width,
            "dim": recipe.dim,
            "lora_scale": recipe.lora.alpha / recipe.lora.r,
            "placeholders": recipe.by_section,
        },
        "text_revision": open_checkpoint(Path(recipe.text) / "text").revision,
        "note": "",
        "logit_scale": float(whole["logit_scale"]),
        "stages": [run.about(best.manifest["step"], best.manifest["measured"])],
    }
    save_checkpoint(run.folder / "tower" / "dual", tensors, about)
    shutil.copytree(Path(recipe.text) / "text", run.folder / "tower" / "text", dirs_exist_ok=True)


def _adapt(text: ReportTower | BertTower, lora: LoraConfig) -> None:
    """Freeze a report tower and add the adapter of this space."""
    text.requires_grad_(False)
    targets = DECODER_TARGETS if isinstance(text, ReportTower) else BERT_TARGETS
    make_trainable(language_model_of(text), targets, text.config.layers, lora)


def run_recipe(file: Path, resume: bool) -> None:
    """Train as the recipe says, and export the best weights into the run's folder."""
    recipe = load_recipe(file, PairedRecipe)
    stage, run = PairedStage(recipe), Run(RUNS / file.stem)
    run.begin(recipe, stage.fingerprints(), resume)
    train(stage, recipe.loop, run)
    export(recipe, stage, run)
