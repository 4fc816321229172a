"""One function decides device and precision; a GPU whose memory is full is left once, and that is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import torch
from torch import nn

from models.interfaces import EncoderInfo, TowerError

Precision = Literal["auto", "fp32", "bf16", "int8"]
DeviceName = Literal["auto", "cpu", "cuda"]
Answer = TypeVar("Answer")
RETREATED = "the memory of the GPU was full, so this tower runs on the processor until the next start"


@dataclass(frozen=True)
class Placement:
    """Where a tower runs and how it multiplies."""

    device: torch.device
    precision: Literal["fp32", "bf16", "int8"]  # int8: 8-bit weights, what is not a product stays fp32

    @property
    def dtype(self) -> torch.dtype:
        """Return the precision of products as torch names it."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which a tower with fp32 weights multiplies in this precision."""
        if self.precision != "bf16":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def place(precision: Precision = "auto", device: DeviceName = "auto") -> Placement:
    """Choose the device and the precision.

    "auto" takes CUDA where present, and bf16 where the hardware multiplies it natively. 8-bit weights are never taken
    here: they have to be made of a tower and measured first, see `models.registry.load_text_encoder`.

    Raises:
        TowerError: CUDA was asked for and is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise TowerError("CUDA was asked for, but no CUDA device is available. Use device 'cpu' or 'auto'.")
    chosen = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    if precision == "auto":
        return Placement(chosen, "bf16" if _native_bf16(chosen) else "fp32")
    return Placement(chosen, precision)


def for_films(placement: Placement) -> Placement:
    """Return how a small image tower multiplies beside a report tower: on a processor in fp32.

    In bf16 a fifth of the ten reports nearest to a film were others; fp32 takes 1.7 times as long (docs/scale.md).
    """
    return replace(placement, precision="fp32") if placement.device.type == "cpu" else placement


class Home:
    """Where the parts of a tower are, and the one way back from a GPU whose memory is full.

    The precision stays: it decides the vectors, the device does not.
    """

    def __init__(self, parts: Sequence[nn.Module], placement: Placement) -> None:
        self._parts = parts
        self._retreated = False
        self.placement = placement
        self.run(self._move)

    def run(self, act: Callable[[], Answer]) -> Answer:
        """Return what `act` returns; where the GPU's memory does not hold it, what it returns on the processor.

        Raises:
            TowerError: the processor's memory does not hold it either.
        """
        try:
            return act()
        except torch.OutOfMemoryError as error:
            if self.placement.device.type == "cpu":
                raise TowerError("The memory of this machine is too small for this tower. Choose another.") from error
        self._retreated = True
        self.placement = Placement(torch.device("cpu"), self.placement.precision)
        self._move()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return act()

    def told(self, info: EncoderInfo) -> EncoderInfo:
        """Return a tower's description with where it is now."""
        note = "; ".join(filter(None, (info.note, RETREATED))) if self._retreated else info.note
        return replace(info, device=self.placement.device.type, note=note)

    def _move(self) -> None:
        for part in self._parts:
            part.to(self.placement.device)


def _native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())
