"""What the tests of folded convolutions share: random weights, and the answer by definition."""

import numpy as np
from bag_cases import words

from understudy.runtime.cnn_format import Convolution, fold, pack_folded
from understudy.runtime.fast_rule import rule_of


def convolution(vocabulary=10, width=6, filters=5, narrowest=3, widest=5, labels=3, seed=0):
    """Random weights; the row of padding is zero, as in every student."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    embedding = normal(vocabulary, width)
    embedding[0] = 0
    kernels = range(narrowest, widest + 1)
    groups = [normal(filters, width, kernel) for kernel in kernels], [normal(filters) for _ in kernels]
    return Convolution(embedding, *groups, normal(labels, filters * len(kernels)), normal(labels))


def answer(weights, ids):
    """Logits ``(c,)`` in float64: every window that holds a word, one by one."""
    rows = weights.embedding[ids].astype(np.float64)
    features = []
    for filters, bias in zip(weights.filters, weights.biases, strict=True):
        around = np.zeros((filters.shape[2] - 1, rows.shape[1]))
        text = np.concatenate([around, rows, around])
        windows = np.stack([text[i : i + filters.shape[2]] for i in range(len(ids) + len(around))])
        answers = np.einsum("wkd,fdk->wf", windows, filters) + bias
        features.append(np.maximum(answers, 0).max(axis=0))
    return weights.output @ np.concatenate(features) + weights.output_bias


def packed(weights, table="float32", vocabulary=None):
    return pack_folded(rule_of(vocabulary or words()), fold(weights, table))
