"""Fit a weighted bag by the native trainer: the same student, epochs and patience as in torch, but faster."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

import numpy as np
import torch
from torch import nn

from understudy.core.configs import LossConfig, TrainingConfig
from understudy.core.manifest import digest
from understudy.core.task import THRESHOLD, FloatArray, Task
from understudy.optim.epochs import Epoch
from understudy.optim.losses import balanced_weights
from understudy.students import Network
from understudy.students.layers.weighted_bag import WeightedBag
from understudy.training.native.bag_trainer import Bag, BagTargets, Rates, train_bag
from understudy.training.native.refusals import first_reason
from understudy.training.native.trainer import Arrays, State
from understudy.training.native.watched import LAYERS, Form, Judge, Keep, Named, Watch, watched
from understudy.training.torch_student import Inputs
from understudy.training.transfer_set import Transfer

LAYER_RATE = 0.05
"""Adagrad's learning rate of the hidden and the output layer, chosen on dev of SST-2 and HWU64."""


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
    seed: int,
    watch: Watch,
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
        seed: Seed of shuffling and dropout.
        watch: How long, and where it is seen.
    """
    (side,) = inputs.encoded.sides
    first, targets = bag_of(module), _targets(task, transfer, loss, has_weights=has_weights)
    shapes = [list(layer.shape) for layer in first.layers]
    settings = [watch.epochs, rate, LAYER_RATE, seed, has_weights, len(inputs)]
    identity = digest([settings, asdict(loss), shapes, first.width, first.dropout])

    def train(state: State | None, judge: Judge[Arrays], keep: Keep) -> None:
        train_bag(
            first,
            side.ids,
            np.cumsum(side.lengths),
            targets,
            epochs=watch.epochs,
            rates=Rates(rate, LAYER_RATE),
            seed=seed,
            after_epoch=judge,
            state=state,
            keep=keep,
        )

    module.eval()  # dropout is the extension's: dev is scored without
    form: Form[Arrays] = Form(lambda layers: put(module, layers), _parts, _whole)
    return watched(watch, form, identity, train)


def _parts(layers: Arrays) -> dict[str, FloatArray]:
    return {f"best-{number}": layer for number, layer in enumerate(layers)}


def _whole(arrays: Named) -> Arrays:
    return [arrays[f"best-{number}"] for number in range(LAYERS)]


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
