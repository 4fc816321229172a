"""One function decides device and precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from models.interfaces import TowerError

Precision = Literal["auto", "fp32", "bf16"]
DeviceName = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Placement:
    """Where a tower runs and how it multiplies."""

    device: torch.device
    precision: Literal["fp32", "bf16"]

    @property
    def dtype(self) -> torch.dtype:
        """Return the precision of products as torch names it."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which a tower with fp32 weights multiplies in this precision."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def place(precision: Precision = "auto", device: DeviceName = "auto") -> Placement:
    """Choose the device and the precision.

    "auto" takes CUDA where present, and bf16 where the hardware multiplies it natively.

    Raises:
        TowerError: CUDA was asked for and is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise TowerError("CUDA was asked for, but no CUDA device is available. Use device 'cpu' or 'auto'.")
    chosen = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    if precision == "auto":
        return Placement(chosen, "bf16" if _native_bf16(chosen) else "fp32")
    return Placement(chosen, precision)


def _native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())
