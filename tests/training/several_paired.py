"""Films and reports trained by as many processes as start this script.

    torchrun --standalone --nproc-per-node 2 tests/training/several_paired.py WORK RUN

reads pairs and the report tower of WORK, and trains in RUN.
"""

from __future__ import annotations

import sys
from pathlib import Path

from models.vision import VisionConfig
from training.adapters import LoraConfig
from training.loop import LoopConfig, Run, join_workers, train
from training.paired import PairedRecipe, PairedStage, export
from training.paired_data import PairedCorpus

STEPS = 3


def follow(work, folder):
    """Train as the command does."""
    recipe = PairedRecipe(
        name="toy",
        text=str(Path(work) / "tower"),
        corpus=PairedCorpus("table", str(work), str(Path(work) / "map.toml")),
        vision=VisionConfig("test_vit", 64),
        loop=LoopConfig(steps=STEPS, warmup=1, measure_every=2, save_every=STEPS, precision="no"),
        lora=LoraConfig(r=2, alpha=4, dropout=0.1),
        dim=16,
        batch=8,
        lr_vision=1e-3,
        films_at_once=3,
        chunk_tokens=120,
    )
    stage, run = PairedStage(recipe), Run(Path(folder))
    run.begin(recipe, stage.fingerprints(), resume=False)
    train(stage, recipe.loop, run)
    export(recipe, stage, run)


if __name__ == "__main__":
    join_workers()
    follow(*sys.argv[1:])
