"""Fit a weighted bag by the native trainer: the same student, epochs and patience as in torch, but faster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from understudy.core.configs import LossConfig, TrainingConfig
from understudy.core.manifest import digest, publish, read_json, read_manifest, verify
from understudy.core.progress import Progress, Silent
from understudy.core.task import THRESHOLD, FloatArray, Task
from understudy.optim.epochs import Epoch, EpochLog, Score
from understudy.optim.losses import balanced_weights
from understudy.students import Network
from understudy.students.layers.weighted_bag import WeightedBag
from understudy.training.native.bag_trainer import Bag, BagTargets, Rates, train_bag
from understudy.training.native.refusals import first_reason
from understudy.training.native.trainer import Arrays, State
from understudy.training.torch_student import Inputs
from understudy.training.transfer_set import Transfer

LAYER_RATE = 0.05
"""Adagrad's learning rate of the hidden and the output layer, chosen on dev of SST-2 and HWU64."""

ARRAYS, FACTS = "state.npz", "state.json"
LAYERS = 5
"""Arrays of a state, each with its squares."""


def why_not(task: Task, module: Network, loss: LossConfig, config: TrainingConfig) -> str:
    """Why only the torch loop can train this weighted bag, or nothing where the native trainer can."""
    own = {
        "it reads one text at a time": module.form != "text",
        "it knows labels, no values": not (task.is_exclusive or task.kind == "multilabel"),
    }
    widest = max(module.config.width, getattr(module.config, "hidden", 0))
    return first_reason(own, task, widest, loss, config)


def learn(
    task: Task,
    module: Network,
    inputs: Inputs,
    transfer: Transfer,
    loss: LossConfig,
    *,
    rate: float,
    has_weights: bool,
    epochs: int,
    patience: int,
    seed: int,
    score: Callable[[], Score],
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    what: str = "training",
) -> list[Epoch]:
    """Train in place, leave the weights of the best epoch on dev, and return the curve.

    Args:
        task: Kind and labels.
        module: A weighted bag, with its first weights.
        inputs: The transfer set as ids.
        transfer: Its targets.
        loss: Which loss.
        rate: Adagrad's learning rate of the rows.
        has_weights: Whether rare gold labels weigh more.
        epochs: Passes, at most.
        patience: Epochs without a better dev score before stopping.
        seed: Seed of shuffling and dropout.
        score: → score on dev, with the module's weights of that moment.
        checkpoint: Folder that is written after epochs and read at the start, if given.
        progress: Where progress is shown.
        what: What the progress is called.
    """
    (side,) = inputs.encoded.sides
    first, targets = bag_of(module), _targets(task, transfer, loss, has_weights=has_weights)
    log: EpochLog[Arrays] = EpochLog()
    state: State | None = None
    identity = _identity(first, loss, [epochs, rate, LAYER_RATE, seed, has_weights, len(inputs)])
    progress = progress or Silent()
    if checkpoint is not None and (resumed := _read(checkpoint, identity)):
        log, state = resumed
        progress.say(f"  {what}: resumed after epoch {state.epoch}")

    module.eval()  # dropout is the extension's: dev is scored without

    def judge(_: int, train_loss: float, now: Arrays) -> bool:
        put(module, now)
        with torch.inference_mode():
            log.add(train_loss, score(), now)
        advance(1)
        return not log.is_patience_over(patience)

    def keep(state: State) -> None:
        if checkpoint is not None and log.is_saving_due:
            _write(checkpoint, identity, log, state)

    with progress.bar(what, epochs, "epochs") as advance:
        advance(len(log.curve))
        train_bag(
            first,
            side.ids,
            np.cumsum(side.lengths),
            targets,
            epochs=epochs,
            rates=Rates(rate, LAYER_RATE),
            seed=seed,
            after_epoch=judge,
            state=state,
            keep=keep,
        )
    if log.best is not None:
        put(module, log.best)
    return log.curve


def bag_of(module: Network) -> Bag:
    """The weights of a weighted bag as the native trainer takes them."""
    encoder = cast("WeightedBag", module.encoder)
    return Bag(
        [tensor.detach().numpy() for tensor in _layers(module)],
        encoder.weights.numpy(),
        encoder.config.width,
        encoder.config.dropout,
    )


def put(module: Network, layers: Arrays) -> None:
    """Overwrite the weights of a weighted bag, in place."""
    with torch.no_grad():
        for tensor, layer in zip(_layers(module), layers, strict=True):
            tensor.copy_(torch.from_numpy(layer))


def _layers(module: Network) -> list[torch.Tensor]:
    """Rows, hidden weights and bias, output weights and bias; empty ones where there is no hidden layer."""
    rows, head = cast("WeightedBag", module.encoder).rows, module.head
    labels = head.output.out_features
    if not isinstance(getattr(head, "hidden", None), nn.Linear):
        nothing = [torch.zeros(0, 0), torch.zeros(0), torch.zeros(labels, 0)]
        return [rows, *nothing, head.output.bias]
    return [rows, head.hidden.weight, head.hidden.bias, head.output.weight, head.output.bias]


def _targets(task: Task, transfer: Transfer, loss: LossConfig, *, has_weights: bool) -> BagTargets:
    """The targets of a transfer set as the native trainer takes them."""
    weights = balanced_weights(task, transfer.gold).numpy() if has_weights else None
    thresholds: FloatArray | float = np.asarray(task.thresholds or THRESHOLD, dtype=np.float32)
    return BagTargets(
        loss.name,
        transfer.soft if loss.needs_teacher else None,
        task.targets(transfer.gold),
        loss.alpha,
        loss.temperature,
        weights,
        thresholds,
    )


def _identity(first: Bag, loss: LossConfig, settings: list[float]) -> str:
    """Says which training a checkpoint is of: another one must not go on from it."""
    shapes = [list(layer.shape) for layer in first.layers]
    return digest([settings, asdict(loss), shapes, first.width, first.dropout])


def _write(folder: Path, identity: str, log: EpochLog[Arrays], state: State) -> None:
    """Write a checkpoint, whole or not at all."""
    began = time.perf_counter()
    kinds = {"layer": state.layers, "square": state.squares, "best": log.best or []}
    arrays = {f"{kind}-{number}": one for kind, every in kinds.items() for number, one in enumerate(every)}
    with publish(folder, {"identity": identity}) as aside:
        with (aside / ARRAYS).open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        (aside / FACTS).write_text(json.dumps({"epoch": state.epoch, **log.facts()}), encoding="utf-8")
    log.note_saving(began)


def _read(folder: Path, identity: str) -> tuple[EpochLog[Arrays], State] | None:
    """The checkpoint of this training, if there is one."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.get("identity") != identity:
        return None
    verify(folder)
    facts = read_json(folder / FACTS)
    with np.load(folder / ARRAYS, allow_pickle=False) as file:
        arrays = dict(file)
    layers, squares, best = (
        [arrays[f"{kind}-{number}"] for number in range(LAYERS)] for kind in ("layer", "square", "best")
    )
    log: EpochLog[Arrays] = EpochLog()
    log.restore(facts, best)
    return log, State(facts["epoch"], layers, squares)
