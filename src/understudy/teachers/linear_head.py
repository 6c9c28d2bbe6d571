"""A linear head on a body's mean-pooled embeddings, fitted by logistic regression."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from understudy.core.task import FloatArray, Gold, IntArray, Task
from understudy.optim.epochs import Score, rank
from understudy.optim.loop import dev_score
from understudy.teachers.inputs import TransformerInputs
from understudy.teachers.modules import MeanPooled
from understudy.tokenization.batching import budgeted_batches

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Inverse regularisation strengths ``C`` to choose from on dev, for embeddings of length 1 on average; the
first of equals wins."""

TOKEN_BUDGET = 640
"""Tokens that go through the body at once; such batches stay in a core's cache."""


@dataclass(frozen=True)
class HeadFit:
    """Fits the head of a module to texts whose labels exclude each other.

    Attributes:
        module: The body and its head.
        task: Whose labels.
        train: Texts to fit to.
        gold: ``(n,)`` their labels.
        dev: Texts that choose the strength.
        dev_gold: ``(m,)`` their labels.
        is_balanced: Whether rare labels weigh more, in inverse proportion to their frequency.
    """

    module: MeanPooled
    task: Task
    train: TransformerInputs
    gold: Gold
    dev: TransformerInputs
    dev_gold: Gold
    is_balanced: bool = False

    def fit(self) -> Score:
        """Fit the head to what the body makes of the texts now, and put it into the module.

        Returns:
            The score on dev of the strength that was chosen by it.
        """
        features, dev = embeddings(self.module, self.train), embeddings(self.module, self.dev)
        size = float(np.linalg.norm(features, axis=1).mean()) or 1.0

        best: Score = (-np.inf, -np.inf)
        for strength in STRENGTHS:
            weight, bias = logistic(
                features / size, self.gold, len(self.task.labels), strength, is_balanced=self.is_balanced
            )
            logits = (dev @ (weight / size).T + bias).astype(np.float32)
            reached = dev_score(self.task, logits, self.dev_gold)
            if tuple(map(rank, reached)) > best:
                best = (rank(reached[0]), rank(reached[1]))
                self._put(weight / size, bias)
        return best

    def _put(self, weight: FloatArray, bias: FloatArray) -> None:
        with torch.no_grad():
            self.module.head.weight.copy_(torch.from_numpy(weight))
            self.module.head.bias.copy_(torch.from_numpy(bias))


def embeddings(module: MeanPooled, encoded: TransformerInputs) -> FloatArray:
    """The means over the tokens of each text, ``(n, d)`` float32, without dropout and gradients."""
    found = np.zeros((len(encoded.lengths), module.head.in_features), dtype=np.float32)
    was_training = module.training
    module.eval()
    with torch.inference_mode():
        for picked in budgeted_batches(encoded.lengths, TOKEN_BUDGET):
            found[picked] = module.features(**encoded.batch(picked)).float().numpy()
    module.train(was_training)
    return found


def features_of(module: MeanPooled, encoded: TransformerInputs, picked: IntArray) -> tuple[Tensor, IntArray]:
    """The means over the tokens of these texts, with gradients, and the texts in the order of the rows.

    Short texts go through the body together and long ones together, so that little is padded.
    """
    groups = [picked[chosen] for chosen in budgeted_batches(encoded.lengths[picked], TOKEN_BUDGET)]
    parts = [module.features(**encoded.batch(group)) for group in groups]
    return torch.cat(parts), np.concatenate(groups)


def logistic(
    features: FloatArray, gold: Gold, labels: int, strength: float, *, is_balanced: bool
) -> tuple[FloatArray, FloatArray]:
    """Weights ``(c, d)`` and biases ``(c,)`` of a logistic regression on features ``(n, d)``.

    Of two labels scikit-learn keeps one decision ``z``; here they have the logits ``-z / 2`` and ``z / 2``. A
    label without rows has the lowest logit that any label has on any row, whatever the text.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    seen = np.unique(gold)
    weight = np.zeros((labels, features.shape[1]), dtype=np.float32)
    bias = np.full(labels, -1.0, dtype=np.float32)
    if len(seen) == 1:  # nothing to tell apart
        bias[seen] = 0.0
        return weight, bias

    model = LogisticRegression(C=strength, max_iter=1000, class_weight="balanced" if is_balanced else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is another regularisation
        model.fit(features, gold)
    signs = np.array([[-0.5], [0.5]]) if len(seen) == 2 else np.ones((1, 1))
    weight[seen] = signs * model.coef_
    bias[seen] = signs[:, 0] * model.intercept_

    unseen = np.setdiff1d(np.arange(labels), seen)
    bias[unseen] = (features @ weight[seen].T + bias[seen]).min()
    return weight, bias
