"""The one training loop. Teachers are fine-tuned and students are trained by it; it knows neither."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.sparse import check_sparse_tensor_invariants

from understudy.core.checks import check_positive
from understudy.core.manifest import digest, publish, read_json, read_manifest, verify
from understudy.core.progress import Progress, Silent
from understudy.core.task import FloatArray, Gold, IntArray, Task
from understudy.errors import DataError, RecipeError
from understudy.evaluation.metrics import score
from understudy.evaluation.thresholds import tuned
from understudy.optim.epochs import Epoch, EpochLog, Score, rank
from understudy.optim.losses import gold


@dataclass(frozen=True)
class LoopConfig:
    """How to optimise.

    Attributes:
        epochs: Passes over the data, at most.
        learning_rate: Peak learning rate of AdamW.
        row_rate: Peak learning rate of Adagrad, for the tables of `optimise`'s ``rows``.
        weight_decay: Weight decay of AdamW, on matrices only.
        decay: ``linear`` to zero over all steps, or ``constant``.
        patience: Epochs without a better dev score before stopping; ``None`` never stops early.
        clip: Largest gradient norm; ``None`` clips nothing.
    """

    epochs: int
    learning_rate: float
    row_rate: float = 0.1
    weight_decay: float = 0.01
    decay: str = "linear"
    patience: int | None = None
    clip: float | None = 1.0

    def __post_init__(self) -> None:
        if self.decay not in ("linear", "constant"):
            raise RecipeError(f"Unknown decay {self.decay!r}. Known: 'constant', 'linear'.")
        check_positive(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            row_rate=self.row_rate,
            patience=self.patience,
            clip=self.clip,
        )


def optimise(
    module: nn.Module,
    *,
    batches: Callable[[np.random.Generator], Sequence[Any]],
    loss: Callable[[Any], Tensor],
    score: Callable[[], Score],
    config: LoopConfig,
    seed: int,
    rows: Sequence[nn.Parameter] = (),
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    what: str = "training",
) -> list[Epoch]:
    """Train ``module`` in place, leave it with the weights of its best epoch on dev, and return the curve.

    Args:
        module: What is trained.
        batches: Generator → the batches of one epoch, shuffled by that generator.
        loss: Batch → mean loss, a scalar; called with the module in training mode.
        score: Gives the score on dev; called with the module in evaluation mode, without gradients.
        config: How to optimise.
        seed: Seed of shuffling and dropout. Each epoch derives its own from it, so that a resumed run
            equals a whole one.
        rows: Tables of which a step changes few rows, with sparse gradients. Adagrad moves them, which leaves
            all other rows alone; everything else is AdamW's.
        checkpoint: Folder that is written after epochs and read at the start, if given.
        progress: Where progress is shown.
        what: What the progress is called.

    Raises:
        RecipeError: The loss is no longer finite.
    """
    progress, log = progress or Silent(), EpochLog(_copy(module))
    run = _Run(module, _optimisers(module, rows, config), batches, loss, score, config, seed, log)
    if checkpoint is not None and _resume(checkpoint, run):
        progress.say(f"  {what}: resumed after epoch {len(log.curve)}")

    with (
        progress.bar(what, config.epochs, "epochs") as advance,
        torch.random.fork_rng(devices=[]),
        _unchecked(),
    ):
        advance(len(log.curve))
        while len(log.curve) < config.epochs and not log.is_patience_over(config.patience):
            _train_one_epoch(run)
            advance(1)
            if checkpoint is not None and log.is_saving_due:
                _save(checkpoint, run)

    if log.best is not None:
        module.load_state_dict(log.best)
    module.eval()
    return log.curve


def dev_score(task: Task, logits: FloatArray, labels: Gold, lengths: IntArray | None = None) -> Score:
    """What selects an epoch: the task's metric on dev, and minus the gold loss where that is equal.

    Args:
        task: Whose metric, of any kind. In multilabel its thresholds are tuned on these logits first.
        logits: ``(rows, c)``.
        labels: `understudy.core.task.Gold` of these rows.
        lengths: ``(items,)`` rows of each item, for metrics of spans; `Task.rows` gives them.
    """
    reached = score(task, labels, tuned(task, logits, labels).decisions(logits), lengths)
    loss = gold(torch.from_numpy(logits), torch.from_numpy(task.targets(labels))).mean()
    return reached, -float(loss)


@dataclass
class _Run:
    module: nn.Module
    optimisers: tuple[torch.optim.Optimizer, ...]
    batches: Callable[[np.random.Generator], Sequence[Any]]
    loss: Callable[[Any], Tensor]
    score: Callable[[], Score]
    config: LoopConfig
    seed: int
    log: EpochLog[dict[str, Tensor]]

    @property
    def identity(self) -> str:
        """What a checkpoint must share with a run that resumes from it."""
        shapes = [[name, list(value.shape)] for name, value in self.module.named_parameters()]
        return digest([asdict(self.config), self.seed, shapes])


def _optimisers(
    module: nn.Module, rows: Sequence[nn.Parameter], config: LoopConfig
) -> tuple[torch.optim.Optimizer, ...]:
    """AdamW and, for tables of rows, Adagrad; each group of parameters keeps its rate as ``peak``."""
    apart = {id(table) for table in rows}
    trained = [p for p in module.parameters() if p.requires_grad and id(p) not in apart]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    made: list[torch.optim.Optimizer] = []
    if trained:
        made.append(torch.optim.AdamW(groups, lr=config.learning_rate, fused=True))
    if tables := [table for table in rows if table.requires_grad]:
        made.append(torch.optim.Adagrad(tables, lr=config.row_rate))

    for optimiser in made:
        for group in optimiser.param_groups:
            group["peak"] = group["lr"]
    return tuple(made)


def _train_one_epoch(run: _Run) -> None:
    run.log.started = time.perf_counter()
    number = len(run.log.curve) + 1
    torch.manual_seed(int(digest([run.seed, number])[:12], 16))
    todo = run.batches(np.random.default_rng([run.seed, number]))

    total = torch.zeros(())
    run.module.train()
    for step, batch in enumerate(todo):
        done = (number - 1 + step / len(todo)) / run.config.epochs
        total += _step(run, batch, 1.0 - done if run.config.decay == "linear" else 1.0)
    if not torch.isfinite(total):
        raise RecipeError(
            f"Training diverged in epoch {number}: the loss is {float(total)}. Choose a lower learning rate "
            f"than {run.config.learning_rate}."
        )

    run.module.eval()
    with torch.inference_mode():
        reached = run.score()
    weights = _copy(run.module) if run.log.is_better(reached) else None
    run.log.add(float(total) / max(len(todo), 1), reached, weights)


def _step(run: _Run, batch: Any, rate: float) -> Tensor:
    for optimiser in run.optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * rate
        optimiser.zero_grad(set_to_none=True)

    value = run.loss(batch)
    value.backward()  # type: ignore[no-untyped-call]
    if run.config.clip is not None:
        dense = [p for p in run.module.parameters() if p.grad is not None and not p.grad.is_sparse]
        nn.utils.clip_grad_norm_(dense, run.config.clip)

    with torch.sparse.check_sparse_tensor_invariants(enable=False):  # type: ignore[no-untyped-call]
        for optimiser in run.optimisers:
            optimiser.step()
    return value.detach()


def _unchecked() -> AbstractContextManager[None]:
    """Leave sparse gradients unchecked: that is torch's default, but it warns where nobody says so."""
    context: AbstractContextManager[None] = check_sparse_tensor_invariants(enable=False)  # type: ignore[no-untyped-call]
    return context


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _save(folder: Path, run: _Run) -> None:
    began = time.perf_counter()
    moments = {
        f"{place}.{number}.{name}": value
        for place, optimiser in enumerate(run.optimisers)
        for number, values in optimiser.state_dict()["state"].items()
        for name, value in values.items()
    }
    best = run.log.best or {}
    with publish(folder, {"identity": run.identity}) as aside:
        save_file({k: v.contiguous() for k, v in _copy(run.module).items()}, aside / "now.safetensors")
        save_file({k: v.contiguous() for k, v in best.items()}, aside / "best.safetensors")
        save_file(moments, aside / "moments.safetensors")
        (aside / "state.json").write_text(json.dumps(run.log.facts()), encoding="utf-8")
    run.log.note_saving(began)


def _resume(folder: Path, run: _Run) -> bool:
    manifest = read_manifest(folder)
    if manifest is None or manifest["identity"] != run.identity:
        return False
    verify(folder)

    facts = read_json(folder / "state.json")
    run.module.load_state_dict(load_file(folder / "now.safetensors"))
    restored: list[dict[int, dict[str, Tensor]]] = [{} for _ in run.optimisers]
    for key, value in load_file(folder / "moments.safetensors").items():
        place, number, name = key.split(".", 2)
        restored[int(place)].setdefault(int(number), {})[name] = value
    for optimiser, state in zip(run.optimisers, restored, strict=True):
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    run.log.restore(facts, load_file(folder / "best.safetensors"))
    return True


def convergence_epoch(curve: Sequence[Epoch], tolerance: float = 0.005) -> int:
    """The first epoch whose dev score is within ``tolerance`` of the best.

    Args:
        curve: At least one epoch, as training returns it.
        tolerance: In units of the score.

    Raises:
        DataError: The curve is empty.
    """
    if not curve:
        raise DataError("A training curve without an epoch does not say when it converged.")
    scores = [rank(epoch.dev_score) for epoch in curve]
    enough = max(scores) - tolerance
    return next(epoch.epoch for epoch, reached in zip(curve, scores, strict=True) if reached >= enough)


def convergence_step(curve: Sequence[Epoch], steps_per_epoch: int, tolerance: float = 0.005) -> int:
    """Steps of training until the end of `convergence_epoch` (Nityasya et al. 2022, Figure 2)."""
    return convergence_epoch(curve, tolerance) * steps_per_epoch
