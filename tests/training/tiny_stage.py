"""A stage small enough to train in a blink, with everything that makes resuming hard: dropout, buffers, frozen weights.

    python tests/training/tiny_stage.py FOLDER LAST_STEP AVERAGE_DECAY

trains in FOLDER and kills its own process, as the system would, when it reaches that step.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from training.loop import LoopConfig, Run, train

CONFIG = LoopConfig(steps=14, warmup=3, measure_every=3, save_every=4, precision="no", seed=7)
AVERAGED = replace(CONFIG, average_decay=0.8)
DATA = {"numbers": "ab" * 32}


class TinyStage:
    """Learns to sort noisy points; `at` is called with each step before its loss, and may raise."""

    def __init__(self, at=lambda _step: None, figures=None) -> None:
        torch.manual_seed(0)
        self.trained = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3))
        self.trained[0].bias.requires_grad_(False)
        self._at = at
        self._figures = figures

    def groups(self):
        weights = [p for p in self.trained.parameters() if p.requires_grad]
        return [{"params": weights[:1], "lr": 0.05}, {"params": weights[1:], "lr": 0.01}]

    def accumulate(self, step, workers):
        self._at(step)
        points = torch.randn(16, 6)  # from the generator that the loop seeds
        loss = F.cross_entropy(self.trained(points), points[:, :3].argmax(dim=1))
        workers.backward(loss)
        return loss.item()

    def measure(self):
        if self._figures is not None:
            return {"figure": next(self._figures)}
        points = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
        right = self.trained(points).argmax(dim=1) == points[:, :3].argmax(dim=1)
        return {"accuracy": right.float().mean().item(), "other": 0.5}


def follow(folder, at=lambda _step: None, resume=False, config=CONFIG):
    """Begin or resume the run in a folder, as a stage's command does."""
    run = Run(Path(folder))
    run.begin(config, DATA, resume)
    train(TinyStage(at), config, run)
    return run


def killed_at(last):
    def at(step):
        if step == last:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


if __name__ == "__main__":
    follow(sys.argv[1], killed_at(int(sys.argv[2])), config=replace(CONFIG, average_decay=float(sys.argv[3])))
