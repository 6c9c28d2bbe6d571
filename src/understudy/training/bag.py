"""Fit a bag-of-words student by the native trainer: the same student, epochs and patience, in a blink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from understudy.configs import LossConfig, TrainingConfig
from understudy.flat import Weights
from understudy.folders import digest
from understudy.loop import Epoch, Score
from understudy.losses import balanced_weights
from understudy.progress import Progress, Silent
from understudy.students import Network
from understudy.task import Task
from understudy.training import native
from understudy.training.checkpoints import Log, read_checkpoint, write_checkpoint
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
    checkpoint: Path | None = None,
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
        checkpoint: folder that is written after epochs and read at the start, if given.
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
    rate, first = LEARNING_RATE, weights_of(module)
    log, state = Log(), None
    identity = digest([epochs, rate, seed, asdict(loss), len(texts), list(first.embedding.shape)])
    audience = progress or Silent()
    if checkpoint is not None and (found := read_checkpoint(checkpoint, identity)):
        log, state = found
        audience.say(f"  {what}: resumed after epoch {state.epoch}")

    def judge(epoch: int, train_loss: float, now: Weights) -> bool:
        put(module, now)
        with torch.inference_mode():
            log.add(epoch, train_loss, score(), now)
        advance(1)
        return epoch - log.best_epoch < patience

    def keep(state: native.State) -> None:
        if checkpoint is not None and log.is_saving_due:
            write_checkpoint(checkpoint, identity, log, state)

    settings: dict[str, Any] = {"epochs": epochs, "learning_rate": rate, "seed": seed}
    with audience.bar(what, epochs, "epochs") as advance:
        advance(len(log.curve))
        native.train(first, texts, targets, **settings, after_epoch=judge, state=state, keep=keep)
    if log.best is not None:
        put(module, log.best)
    return log.curve


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
