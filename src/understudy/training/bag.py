"""Fit a bag-of-words student by the native trainer: the same student, epochs and patience, in a blink."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from understudy.configs import LossConfig, TrainingConfig
from understudy.flat import Weights
from understudy.loop import Epoch, Score
from understudy.losses import balanced_weights
from understudy.progress import Progress, Silent
from understudy.students import Network
from understudy.task import Task
from understudy.training import native
from understudy.training.student import Inputs
from understudy.training.transfer import Transfer

STUDENT = "cbow.v1"
"""The student that the native trainer knows."""

LEARNING_RATE = 0.05
"""Adagrad's, chosen on dev of SST-2."""

FEWEST_TEXTS = 5_000
"""Below so many texts the torch loop is done in a second, and better: a step for each text is a noisy one.

Measured on dev: equal on 6,920 texts of SST-2, two points worse on 900 texts of the bundled set.
"""


def why_not(name: str, task: Task, module: Network, loss: LossConfig, config: TrainingConfig) -> str:
    """Why only the torch loop can train this student, or nothing where the native trainer can.

    A learning rate or a batch size that a recipe sets is one of the torch loop's, so it decides for that.
    """
    reasons = {
        f"it trains {STUDENT} alone": name != STUDENT,
        "it reads one text at a time": module.form != "text",
        "it knows labels that exclude each other": not task.is_exclusive,
        "it adds no noise to logits": loss.noise > 0.0,
        "it compares no layers": loss.layers > 0.0,
        "it freezes no word table": config.is_embedding_frozen,
        "a learning rate or batch size was set, which are the torch loop's": (
            config.learning_rate is not None or config.batch_size is not None
        ),
        "the C extension was not built": not native.is_available(),
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")


def learn(
    task: Task,
    module: Network,
    inputs: Inputs,
    transfer: Transfer,
    loss: LossConfig,
    *,
    has_weights: bool,
    epochs: int,
    patience: int,
    seed: int,
    score: Callable[[], Score],
    progress: Progress | None = None,
    what: str = "training",
) -> list[Epoch]:
    """Train in place, leave the weights of the best epoch on dev, and return the curve.

    Args:
        task: kind and labels.
        module: `cbow.v1`, with the weights to begin with.
        inputs: the transfer set as ids.
        transfer: its targets.
        loss: which loss.
        has_weights: whether rare gold labels weigh more.
        epochs: passes, at most.
        patience: epochs without a better dev score before stopping.
        seed: of the shuffling.
        score: → score on dev, with the module's weights of that moment.
        progress: audience.
        what: a word for the audience.
    """
    (side,) = inputs.encoded.sides
    texts = native.Encoded(side.ids.astype(np.int32, copy=False), np.cumsum(side.lengths))
    weights = balanced_weights(task, transfer.gold).numpy() if has_weights else None
    targets = native.Targets(
        loss.name,
        soft=transfer.soft if loss.needs_teacher else None,
        gold=task.targets(transfer.gold),
        alpha=loss.alpha,
        temperature=loss.temperature,
        class_weights=weights,
    )
    curve: list[Epoch] = []
    best: tuple[Score, int, Weights] | None = None
    started = time.perf_counter()

    def judge(epoch: int, train_loss: float, now: Weights) -> bool:
        nonlocal best, started
        put(module, now)
        with torch.inference_mode():
            reached = score()
        if best is None or reached > best[0]:
            best = (reached, epoch, now)
        curve.append(Epoch(epoch, train_loss, reached[0], -reached[1], time.perf_counter() - started))
        started = time.perf_counter()
        advance(1)
        return epoch - best[1] < patience

    rate, first = LEARNING_RATE, weights_of(module)
    settings: dict[str, Any] = {"epochs": epochs, "learning_rate": rate, "seed": seed}
    with (progress or Silent()).bar(what, epochs, "epochs") as advance:
        native.train(first, texts, targets, **settings, after_epoch=judge)
    if best is not None:
        put(module, best[2])
    return curve


def weights_of(module: Network) -> Weights:
    """The weights of a `cbow.v1` as the native trainer takes them."""
    state = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
    return Weights(
        embedding=state["encoder.embedding.weight"],
        hidden=state["head.hidden.weight"],
        hidden_bias=state["head.hidden.bias"],
        output=state["head.output.weight"],
        output_bias=state["head.output.bias"],
    )


def put(module: Network, weights: Weights) -> None:
    """Overwrite the weights of a `cbow.v1`, in place."""
    state = {
        "encoder.embedding.weight": weights.embedding,
        "head.hidden.weight": weights.hidden,
        "head.hidden.bias": weights.hidden_bias,
        "head.output.weight": weights.output,
        "head.output.bias": weights.output_bias,
    }
    module.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
