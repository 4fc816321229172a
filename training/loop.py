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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import torch
from accelerate import Accelerator, PartialState
from torch import Tensor, nn
from tqdm import tqdm

from models.checkpoint import open_checkpoint, save_checkpoint, write_atomically
from models.interfaces import CxrError, TowerError
from models.precision import Placement, place

Item = TypeVar("Item")


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
    precision: Literal["no", "bf16"] = "bf16"  # bf16 only where the hardware multiplies it, see `placement`
    average_decay: float = 0.0  # of the running average of the weights that is measured and kept; 0: the weights

    def placement(self) -> Placement:
        """Return where a run goes and how it multiplies: a processor that must emulate bf16 takes fp32.

        Emulated, a product takes a hundred times as long as in fp32.
        """
        return place("auto" if self.precision == "bf16" else "fp32")


class Workers:
    """The processes of one training, https://huggingface.co/docs/accelerate; a single one as a rule."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.rank = accelerator.process_index
        self.count = accelerator.num_processes

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to the parameters'."""
        self._accelerator.backward(loss)

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which products are made in the run's precision."""
        return self._accelerator.autocast()  # type: ignore[no-any-return]

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return this worker's items of a step: the rank-th of as many slices, equal but for one item, as workers."""
        cuts = [len(items) * rank // self.count for rank in range(self.count + 1)]
        return items[cuts[self.rank] : cuts[self.rank + 1]]

    def gather(self, rows: Tensor) -> Tensor:
        """Join the rows [n_r, d] of all workers in the order of their shares; no gradient passes through."""
        if self.count == 1:
            return rows
        parts: list[Tensor] = [torch.empty(0)] * self.count
        torch.distributed.all_gather_object(parts, rows.detach().cpu())
        return torch.cat(parts).to(rows.device)

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every worker the sum of all workers' gradients."""
        for parameter in parameters if self.count > 1 else ():
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = self._accelerator.reduce(gradient, reduction="sum")


class Stage(Protocol):
    """What a stage gives to the loop."""

    @property
    def trained(self) -> nn.Module:
        """The module whose parameters that need a gradient are trained; its buffers are kept with them."""
        ...

    def groups(self) -> list[dict[str, Any]]:
        """Return optimizer groups, each with its peak `lr`."""
        ...

    def accumulate(self, step: int, workers: Workers) -> float:
        """Add the gradients of this worker's share of a step, through `workers.backward`; return the step's loss.

        A pure function of the parameters, the step and the worker. The shares of all workers add up to the gradient
        that one worker alone would have.
        """
        ...

    def measure(self) -> dict[str, float]:
        """Return validation figures; the first one is the one to choose by, larger is better."""
        ...


def join_workers() -> PartialState:
    """Join the other processes of this training, if it has any, and take a device of one's own; again: do nothing.

    `torchrun --nproc-per-node N -m training.STAGE …` starts several; without CUDA they talk through the CPU.
    """
    return PartialState(cpu=not torch.cuda.is_available())


def first_worker() -> bool:
    """Whether this process is the first of its training, the only one that writes; a lone process is."""
    return bool(join_workers().is_main_process)


class Run:
    """A run directory: recipe, data fingerprint, code revision, curve, states, the best weights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, recipe: object, data: Mapping[str, str], resume: bool) -> None:
        """Write what the run is made of, or check that a resumed run is made of the same; the first worker does it.

        Raises:
            CxrError: the folder holds a run and `resume` was not said, or the recipe or the data changed.
        """
        if first_worker():
            self._begin(recipe, data, resume)
        join_workers().wait_for_everyone()

    def _begin(self, recipe: object, data: Mapping[str, str], resume: bool) -> None:
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

    def about(self, step: int, measured: Mapping[str, float]) -> dict[str, Any]:
        """Return what made the weights of a step: recipe, data, code, validation figures, the loss of every step."""
        made_of = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        losses = [line["loss"] for line in self.curve() if "loss" in line]
        return {"run": self.folder.name, **made_of, "step": step, "validation": dict(measured), "losses": losses}

    def save(self, step: int, tensors: Mapping[str, Tensor], best: float) -> None:
        """Save a state in a folder of its own, then drop the older ones."""
        save_checkpoint(self._state(step), tensors, {"step": step, "best": best})
        for older in self._states()[:-1]:
            shutil.rmtree(older)

    def restore(self) -> tuple[int, dict[str, Tensor], float]:
        """Return the newest whole state: next step, tensors, best figure."""
        for folder in reversed(self._states()):
            try:
                state = open_checkpoint(folder)
            except TowerError:  # killed while it was written; the one before is whole
                continue
            return int(state.manifest["step"]), state.tensors(), float(state.manifest["best"])
        return 0, {}, -math.inf

    def drop_curve_from(self, step: int) -> None:
        """Take the lines of a step and of those after it from the curve."""
        kept = "".join(json.dumps(line) + "\n" for line in self.curve() if line["step"] < step)
        write_atomically(self.folder / "curve.jsonl", lambda target: target.write_text(kept, encoding="utf-8"))

    def _state(self, step: int) -> Path:
        return self.folder / "states" / f"{step:07d}"

    def _states(self) -> list[Path]:
        return sorted((self.folder / "states").glob("[0-9]*"))


def train(stage: Stage, config: LoopConfig, run: Run) -> None:
    """Train to the end, from the newest state of the run if there is one.

    The weights with the best first figure of `measure` are kept in `best/` of the run, in fp32; with
    `average_decay`, the figures are those of the running average of the weights, and it is the average that is kept.
    Several workers hold equal weights; the first one measures and writes.
    """
    join_workers()
    accelerator = Accelerator(mixed_precision="bf16" if config.placement().precision == "bf16" else "no")
    workers = Workers(accelerator)
    optimizer = torch.optim.AdamW(stage.groups(), weight_decay=config.weight_decay)
    average = Average(stage.trained, config.average_decay)
    peaks = [group["lr"] for group in optimizer.param_groups]
    first, tensors, best = run.restore()
    _load_state(stage.trained, optimizer, average, tensors)
    writes = first_worker()
    if writes:
        run.drop_curve_from(first)
    accelerator.wait_for_everyone()  # no state appears and none goes while another worker looks for the newest
    for step in _progress(first, config.steps, writes):
        if step % config.measure_every == 0 and writes:
            best = _measure(stage, average, run, step, best)
        if step % config.save_every == 0 and step > first and writes:
            run.save(step, _state(stage.trained, optimizer, average), best)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * _schedule(step, config)
        taken = _step(stage, config, workers, optimizer, step)
        average.follow(stage.trained)
        if writes:
            run.note(taken)
    if writes:
        best = _measure(stage, average, run, config.steps, best)
        run.save(config.steps, _state(stage.trained, optimizer, average), best)
        draw_curve(run)
    accelerator.wait_for_everyone()


class Average:
    """Running average of the trained weights, which generalises better than the last ones; decay 0 is no average."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in _trained(model).items()} if decay else {}

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        """Move towards the weights as they are now."""
        for name, parameter in _trained(model).items() if self.decay else ():
            self.weights[name].lerp_(parameter, 1 - self.decay)

    @contextmanager
    def worn_by(self, model: nn.Module) -> Iterator[None]:
        """Put the average in place of the model's weights for a while."""
        parameters = {name: p for name, p in _trained(model).items() if name in self.weights}
        own = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        _put(parameters, self.weights)
        try:
            yield
        finally:
            _put(parameters, own)


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
    stage: Stage, config: LoopConfig, workers: Workers, optimizer: torch.optim.Optimizer, step: int
) -> dict[str, float]:
    begun = time.monotonic()
    torch.manual_seed(config.seed * 1_000_003 + step)
    stage.trained.train()
    loss = stage.accumulate(step, workers)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    workers.add_gradients(parameters)
    nn.utils.clip_grad_norm_(parameters, config.gradient_clip)
    optimizer.step()
    optimizer.zero_grad()
    return {"step": step, "loss": loss, "seconds": time.monotonic() - begun}


def _measure(stage: Stage, average: Average, run: Run, step: int, best: float) -> float:
    stage.trained.eval()
    with torch.no_grad(), average.worn_by(stage.trained):
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


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """What is trained, and the buffers that the model itself would keep."""
    kept = model.state_dict().keys()
    return {**_trained(model), **{name: buffer for name, buffer in model.named_buffers() if name in kept}}


def _state(model: nn.Module, optimizer: torch.optim.Optimizer, average: Average) -> dict[str, Tensor]:
    tensors = {f"model.{name}": value for name, value in _weights(model).items()}
    tensors |= {f"average.{name}": value for name, value in average.weights.items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{key}.{name}"] = value
    return tensors


def _load_state(
    model: nn.Module, optimizer: torch.optim.Optimizer, average: Average, tensors: Mapping[str, Tensor]
) -> None:
    parameters = dict(model.named_parameters())
    _put(parameters | dict(model.named_buffers()), _below(tensors, "model."))
    _put(average.weights, _below(tensors, "average."))
    for key, value in _below(tensors, "optimizer.").items():
        moment, _, name = key.partition(".")
        optimizer.state[parameters[name]][moment] = value if moment == "step" else value.to(parameters[name])


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


@torch.no_grad()
def _put(targets: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        targets[name].copy_(value)


def _progress(first: int, steps: int, shown: bool) -> Iterator[int]:
    return iter(tqdm(range(first, steps), initial=first, total=steps, unit="step", mininterval=5, disable=not shown))


def _plain(recipe: object) -> object:
    return json.loads(json.dumps(asdict(recipe) if is_dataclass(recipe) else recipe))  # type: ignore[arg-type]


def _code_revision() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    said = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"
