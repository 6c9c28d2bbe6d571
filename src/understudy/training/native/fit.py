"""Fit a bag-of-words student by the native trainer: the same student, epochs and patience, but faster."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from understudy.core.configs import LossConfig, TrainingConfig
from understudy.core.manifest import digest
from understudy.core.task import Task
from understudy.optim.epochs import Epoch
from understudy.optim.losses import balanced_weights
from understudy.runtime.fast_format import Weights
from understudy.students import Network, Ragged
from understudy.students.dan import DAN
from understudy.training.native import trainer as native
from understudy.training.native.refusals import first_reason
from understudy.training.native.watched import Form, Judge, Keep, Named, Watch, watched
from understudy.training.torch_student import Inputs
from understudy.training.transfer_set import Transfer

LEARNING_RATES = {"cbow.v1": 0.05, "dan.v1": 0.02}
"""Adagrad's, chosen on dev of SST-2, for each student that the native trainer knows."""

AT_ONCE = 2**16
"""Texts whose n-grams are looked for at once."""

PLACES = {
    "embedding": "encoder.embedding.weight",
    "grams": "encoder.grams.weight",
    "hidden": "head.hidden.weight",
    "hidden_bias": "head.hidden.bias",
    "output": "head.output.weight",
    "output_bias": "head.output.bias",
}
"""Where a student's state has what `Weights` names."""

FEWEST_TEXTS = 5_000
"""Below so many texts the torch loop is done in a second, and better: a step for each text is a noisy one.

Measured on dev: equal on 6,920 texts of SST-2, two points worse on 900 texts of the bundled set. `dan.v1` on
SST-2's test, gold labels, five seeds: +0.2 points beside the torch loop (95 %: -0.4 to +0.7).
"""


def why_not(name: str, task: Task, module: Network, loss: LossConfig, config: TrainingConfig) -> str:
    """Why only the torch loop can train this student, or nothing where the native trainer can.

    A learning rate or a batch size that a recipe sets is one of the torch loop's, so it decides for that.
    """
    own = {
        f"it trains {' and '.join(LEARNING_RATES)} alone": name not in LEARNING_RATES,
        "it reads one text at a time": module.form != "text",
        "it knows labels that exclude each other": not task.is_exclusive,
    }
    return first_reason(own, task, _widest(module), loss, config)


def learn(
    task: Task,
    module: Network,
    inputs: Inputs,
    transfer: Transfer,
    loss: LossConfig,
    *,
    has_weights: bool,
    seed: int,
    watch: Watch,
) -> list[Epoch]:
    """Train in place, leave the weights of the best epoch on dev, and return the curve.

    Args:
        task: Kind and labels.
        module: `cbow.v1` or `dan.v1`, with its first weights.
        inputs: The transfer set as ids.
        transfer: Its targets.
        loss: Which loss.
        has_weights: Whether rare gold labels weigh more.
        seed: Seed of the shuffling.
        watch: How long, and where it is seen.
    """
    (side,) = inputs.encoded.sides
    texts = with_grams(module, native.TextIds(side.ids.astype(np.int32, copy=False), np.cumsum(side.lengths)))
    first = weights_of(module)
    rate = LEARNING_RATES["cbow.v1" if first.grams is None else "dan.v1"]
    targets = _targets(task, transfer, loss, has_weights=has_weights)
    settings: dict[str, Any] = {"epochs": watch.epochs, "learning_rate": rate, "seed": seed}
    identity = digest([watch.epochs, rate, seed, asdict(loss), len(texts), list(first.embedding.shape)])

    def train(state: native.State | None, judge: Judge[Weights], keep: Keep) -> None:
        native.train(first, texts, targets, **settings, after_epoch=judge, state=state, keep=keep)

    form: Form[Weights] = Form(lambda weights: put(module, weights), _parts, _whole)
    return watched(watch, form, identity, train)


def _parts(weights: Weights) -> dict[str, npt.NDArray[Any]]:
    return {name: np.asarray(value) for name, value in vars(weights).items() if value is not None}


def _whole(arrays: Named) -> Weights:
    """Students without n-grams have no ``grams``."""
    return Weights(
        **{part: arrays[part] for part in PLACES if part in arrays},
        longest=int(arrays["longest"]),
        gram_weight=float(arrays["gram_weight"]),
    )


def _targets(task: Task, transfer: Transfer, loss: LossConfig, *, has_weights: bool) -> native.Targets:
    """The targets of a transfer set as the native trainer takes them."""
    weights = balanced_weights(task, transfer.gold).numpy() if has_weights else None
    return native.Targets(
        loss.name,
        soft=transfer.soft if loss.needs_teacher else None,
        gold=task.targets(transfer.gold),
        alpha=loss.alpha,
        temperature=loss.temperature,
        class_weights=weights,
    )


def _widest(module: Network) -> int:
    """The longest row of an embedding or of a layer's weights."""
    return max(parameter.shape[1] for parameter in module.parameters() if parameter.ndim == 2)


def with_grams(module: Network, texts: native.TextIds) -> native.TextIds:
    """Texts with their n-grams, where the student has such."""
    encoder = module.encoder
    if not isinstance(encoder, DAN):
        return texts
    lengths, start = np.diff(texts.ends, prepend=0), 0
    buckets: list[npt.NDArray[np.int32]] = []
    for stop in [*texts.ends[AT_ONCE - 1 :: AT_ONCE].tolist(), len(texts.ids)]:
        part = lengths[len(buckets) * AT_ONCE :][:AT_ONCE]
        batch = Ragged(torch.from_numpy(texts.ids[start:stop]).long(), torch.from_numpy(part))
        buckets.append(encoder.buckets(batch).to(torch.int32).numpy())
        start = stop
    return texts.with_grams(np.concatenate(buckets), encoder.config.vocabulary_size)


def weights_of(module: Network) -> Weights:
    """The weights of a student as the native trainer takes them."""
    state = module.state_dict()
    parts = {part: state[name].numpy() for part, name in PLACES.items() if name in state}
    if isinstance(module.encoder, DAN):
        config = module.encoder.config
        return Weights(**parts, longest=config.longest, gram_weight=config.gram_weight)
    return Weights(**parts)


def put(module: Network, weights: Weights) -> None:
    """Overwrite the weights of a student, in place."""
    parts = {name: getattr(weights, part) for part, name in PLACES.items()}
    module.load_state_dict({name: torch.from_numpy(part) for name, part in parts.items() if part is not None})
