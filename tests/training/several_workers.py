"""Both stages of a tiny report tower, trained by as many processes as start this script.

    torchrun --standalone --nproc-per-node 2 tests/training/several_workers.py FOLDER LLAMA PACKAGE

trains in FOLDER on the tiny Llama and the made-up reports of the other two folders, and then resumes both runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from models.text import TowerConfig
from training.adapters import LoraConfig
from training.contrastive import ContrastiveRecipe, ContrastiveStage
from training.loop import LoopConfig, Run, join_workers, train
from training.mntp import MntpRecipe, MntpStage
from training.towers import export_tower

TOWER = TowerConfig(layers=2, pooling="latent_attention", max_tokens=64)
LORA = LoraConfig(r=4, alpha=8, dropout=0.1)
LOOP = LoopConfig(steps=4, warmup=1, measure_every=2, save_every=2, precision="no", average_decay=0.5)


def follow(folder, llama, resume=False):
    """Train the masked stage, then the contrastive one from it, as their commands do."""
    masked = MntpRecipe("toy", str(llama), TOWER, LORA, LOOP, batch=10, lr=1e-2, train_tokens=24)
    stage, run = MntpStage(masked), Run(Path(folder) / "toy-mntp")
    _train(masked, stage, stage.student.source, run, resume)
    pairs = ContrastiveRecipe(
        name="toy",
        base=str(llama),
        tower=TOWER,
        lora=LORA,
        loop=LOOP,
        batch=6,
        lr_lora=1e-2,
        lr_pooling=1e-3,
        start=str(run.folder),
        train_tokens=24,
        chunk_tokens=96,
    )
    stage_, run = ContrastiveStage(pairs), Run(Path(folder) / "toy")
    _train(pairs, stage_, stage_.source, run, resume)


def _train(recipe, stage, source, run, resume):
    run.begin(recipe, stage.fingerprints(), resume)
    train(stage, recipe.loop, run)
    export_tower(recipe, source, run)


if __name__ == "__main__":
    join_workers()
    target, base, package = sys.argv[1:]
    sys.path.insert(0, package)
    follow(target, base)
    follow(target, base, resume=True)
