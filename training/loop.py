"""The one training loop: resumable after `kill -9` with the same result, on CPU or GPU through accelerate.

Nothing random is carried from step to step: each step seeds from (seed, step), so a resumed run repeats what an
unbroken one would have done.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from models.checkpoint import open_checkpoint, save_checkpoint, write_atomically
from models.interfaces import CxrError, TowerError


@dataclass(frozen=True)
class LoopConfig:
    """How long, how fast, and how often to look."""

    steps: int
    warmup: int = 20
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    measure_every: int = 100
    save_every: int = 50
    seed: int = 4096
    precision: str = "bf16"  # accelerate's word: "no" or "bf16"


class Stage(Protocol):
    """What a stage gives to the loop."""

    @property
    def trained(self) -> nn.Module:
        """The module whose parameters that need a gradient are trained; its buffers are kept with them."""
        ...

    def groups(self) -> list[dict[str, Any]]:
        """Return optimizer groups, each with its peak `lr`."""
        ...

    def loss(self, step: int) -> Tensor:
        """Return the loss of a step, a pure function of the parameters and the step."""
        ...

    def measure(self) -> dict[str, float]:
        """Return validation figures; the first one is the one to choose by, larger is better."""
        ...


class Run:
    """A run directory: recipe, data fingerprint, code revision, curve, states, the best weights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, recipe: object, data: Mapping[str, str], resume: bool) -> None:
        """Write what the run is made of, or check that a resumed run is made of the same.

        Raises:
            CxrError: the folder holds a run and `resume` was not said, or the recipe or the data changed.
        """
        about = {"recipe": _plain(recipe), "data": dict(data)}
        file = self.folder / "run.json"
        if file.exists():
            before = json.loads(file.read_text(encoding="utf-8"))
            if not resume:
                raise CxrError(f"The run {self.folder.name!r} exists. Say --resume, or remove it.")
            if {key: before[key] for key in about} != about:
                raise CxrError(f"The recipe or the data of run {self.folder.name!r} changed. Start a new run.")
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**about, "code": _code_revision()}, indent=2) + "\n"
        write_atomically(file, lambda target: target.write_text(text, encoding="utf-8"))

    def note(self, entry: Mapping[str, float]) -> None:
        """Append a line to the curve."""
        with (self.folder / "curve.jsonl").open("a", encoding="utf-8") as curve:
            curve.write(json.dumps({key: round(value, 5) for key, value in entry.items()}) + "\n")

    def curve(self) -> list[dict[str, float]]:
        """Return the curve so far; a last line that a kill cut short is not part of it."""
        file = self.folder / "curve.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def save(self, step: int, tensors: Mapping[str, Tensor], best: float) -> None:
        """Save a state in a folder of its own, then drop the older ones."""
        save_checkpoint(self._state(step), tensors, {"step": step, "best": best})
        for older in self._states()[:-1]:
            shutil.rmtree(older)

    def restore(self) -> tuple[int, dict[str, Tensor], float]:
        """Return the newest whole state: next step, tensors, best figure. Later lines of the curve are dropped."""
        for folder in reversed(self._states()):
            try:
                state = open_checkpoint(folder)
            except TowerError:  # killed while it was written; the one before is whole
                continue
            step = int(state.manifest["step"])
            self._drop_curve_from(step)
            return step, state.tensors(), float(state.manifest["best"])
        self._drop_curve_from(0)
        return 0, {}, -math.inf

    def _drop_curve_from(self, step: int) -> None:
        kept = "".join(json.dumps(line) + "\n" for line in self.curve() if line["step"] < step)
        write_atomically(self.folder / "curve.jsonl", lambda target: target.write_text(kept, encoding="utf-8"))

    def _state(self, step: int) -> Path:
        return self.folder / "states" / f"{step:07d}"

    def _states(self) -> list[Path]:
        return sorted((self.folder / "states").glob("[0-9]*"))


def train(stage: Stage, config: LoopConfig, run: Run) -> None:
    """Train to the end, from the newest state of the run if there is one.

    The weights with the best first figure of `measure` are kept in `best/` of the run, in fp32.
    """
    accelerator = Accelerator(mixed_precision=config.precision)
    optimizer = torch.optim.AdamW(stage.groups(), weight_decay=config.weight_decay)
    peaks = [group["lr"] for group in optimizer.param_groups]
    first, tensors, best = run.restore()
    _load_state(stage.trained, optimizer, tensors)
    for step in _progress(first, config.steps):
        if step % config.measure_every == 0:
            best = _measure(stage, run, step, best)
        if step % config.save_every == 0 and step > first:
            run.save(step, _state(stage.trained, optimizer), best)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * _schedule(step, config)
        run.note(_step(stage, config, accelerator, optimizer, step))
    best = _measure(stage, run, config.steps, best)
    run.save(config.steps, _state(stage.trained, optimizer), best)
    draw_curve(run)


def draw_curve(run: Run) -> None:
    """Draw loss and validation figures into curve.png of the run."""
    from matplotlib.figure import Figure

    lines = run.curve()
    figure = Figure(figsize=(8, 3), layout="constrained")
    loss, measured = figure.subplots(1, 2)
    others = sorted({name for line in lines for name in line} - {"step", "loss", "seconds"})
    for axes, names in ((loss, ["loss"]), (measured, others)):
        for name in names:
            points = [(line["step"], line[name]) for line in lines if name in line]
            axes.plot(*zip(*points, strict=True), label=name)
        axes.set_xlabel("step")
        axes.legend(fontsize=7)
    figure.savefig(run.folder / "curve.png", dpi=110)


def _step(
    stage: Stage, config: LoopConfig, accelerator: Accelerator, optimizer: torch.optim.Optimizer, step: int
) -> dict[str, float]:
    begun = time.monotonic()
    torch.manual_seed(config.seed * 1_000_003 + step)
    stage.trained.train()
    with accelerator.autocast():
        loss = stage.loss(step)
    accelerator.backward(loss)
    accelerator.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], config.gradient_clip)
    optimizer.step()
    optimizer.zero_grad()
    return {"step": step, "loss": loss.item(), "seconds": time.monotonic() - begun}


def _measure(stage: Stage, run: Run, step: int, best: float) -> float:
    stage.trained.eval()
    with torch.no_grad():
        figures = stage.measure()
    run.note({"step": step, **figures})
    chosen = next(iter(figures.values()))
    if chosen > best:
        save_checkpoint(run.folder / "best", _weights(stage.trained), {"step": step, "measured": figures})
    return max(best, chosen)


def _schedule(step: int, config: LoopConfig) -> float:
    """Linear warm-up, then cosine to 0."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    share = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.5 * (1 + math.cos(math.pi * share))


def _weights(model: nn.Module) -> dict[str, Tensor]:
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    return trained | dict(model.named_buffers())


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {f"model.{name}": value for name, value in _weights(model).items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{key}.{name}"] = value
    return tensors


def _load_state(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    parameters = dict(model.named_parameters())
    targets = parameters | dict(model.named_buffers())
    with torch.no_grad():
        for key, value in tensors.items():
            kind, _, rest = key.partition(".")
            if kind == "model":
                targets[rest].copy_(value)
            else:
                moment, _, name = rest.partition(".")
                of_parameter = optimizer.state[parameters[name]]
                of_parameter[moment] = value if moment == "step" else value.to(parameters[name])


def _progress(first: int, steps: int) -> Iterator[int]:
    return iter(tqdm(range(first, steps), initial=first, total=steps, unit="step", mininterval=5))


def _plain(recipe: object) -> object:
    return json.loads(json.dumps(asdict(recipe) if is_dataclass(recipe) else recipe))  # type: ignore[arg-type]


def _code_revision() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    said = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"
