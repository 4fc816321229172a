from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from made_pairs import write_pairs
from several_paired import STEPS, follow

from models.checkpoint import open_checkpoint, save_checkpoint
from models.interfaces import cache_folder
from models.text import TowerConfig

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_two_processes_train_the_weights_that_one_does(tmp_path):
    write_pairs(tmp_path)
    tower = TowerConfig(layers=1, attention="bidirectional", max_tokens=64)
    about = {"name": "toy", "backbone": "smollm2", "tower": asdict(tower), "lora_scale": 1.0}
    save_checkpoint(tmp_path / "tower" / "text", {}, about)
    follow(tmp_path, tmp_path / "alone")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = [str(Path(__file__).with_name("several_paired.py")), str(tmp_path), str(tmp_path / "together")]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "CXR_CACHE": str(cache_folder()),
    }
    ended = subprocess.run([*launch, *script], check=False, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3_000:]
    one, two = (open_checkpoint(tmp_path / run / "states" / f"{STEPS:07d}").tensors() for run in ("alone", "together"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.allclose(tensor, two[name], atol=2e-5, rtol=1e-3), name
    assert (tmp_path / "together" / "tower" / "dual" / "manifest.json").is_file()
