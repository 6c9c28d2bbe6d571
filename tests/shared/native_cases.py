"""What tests of the native trainer start from: ids of texts, and random weights."""

import numpy as np

from understudy.runtime.fast import extension
from understudy.runtime.fast_format import Weights, pack
from understudy.runtime.fast_rule import rule_of
from understudy.training.native.trainer import TextIds


def encode(vocabulary, texts):
    """Texts as ids by the C splitter where it can follow the vocabulary's rule, else by the vocabulary."""
    rule = rule_of(vocabulary)
    if rule is None:
        ids, lengths = vocabulary.encode_batch(texts)
    else:
        nothing = np.zeros((1, 1), np.float32)
        rows = np.zeros((len(vocabulary), 1), np.float32)
        file = pack(rule, Weights(rows, nothing, nothing[0], nothing, nothing[0]))
        splitter = extension().Student(file, ("",), vocabulary.encode)
        ids, lengths = (np.frombuffer(part, np.int64) for part in splitter.encode_batch(texts))
    return TextIds(ids.astype(np.int32), np.cumsum(lengths))


def first_weights(vocabulary_size, width, hidden, labels, generator):
    """Random weights of the sizes of `cbow.v1`, drawn as torch draws them; the padding's row is zero."""
    embedding = generator.normal(0.0, 0.1, (vocabulary_size, width))
    embedding[0] = 0.0

    def linear(outs, ins):
        limit = 1 / np.sqrt(ins)
        drawn = generator.uniform(-limit, limit, (outs, ins + 1)).astype(np.float32)
        return drawn[:, :ins].copy(), drawn[:, ins].copy()

    return Weights(embedding.astype(np.float32), *linear(hidden, width), *linear(labels, hidden))
