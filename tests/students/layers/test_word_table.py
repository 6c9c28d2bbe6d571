import re

import numpy as np
import pytest
import torch

from understudy.errors import RecipeError
from understudy.optim.loop import LoopConfig, optimise
from understudy.students import build
from understudy.students.layers.word_table import sif_weights
from understudy.tokenization.words import PAD_ID

SIZE = 40
SHARING = ("hybrid.v1", "bihybrid.v1", "dan.v2")
"""Students whose tables hold more than vectors: matrices, or logits."""


def module_of(name, smaller):
    return build(name, 2, seed=0, vocabulary_size=SIZE, **smaller(name))


def table_or_reason(name, smaller):
    """A student's word table, or the sentence with which it refuses."""
    try:
        return module_of(name, smaller).encoder.word_table()
    except RecipeError as error:
        return str(error)


def trained_a_step(module, batch):
    """The module after three steps at a high rate and weight decay."""
    return optimise(
        module,
        batches=lambda generator: [batch] * 3,
        loss=lambda one: module(one).square().mean() - module(one)[:, 0].mean(),
        score=lambda: (0.0, 0.0),
        config=LoopConfig(epochs=1, learning_rate=0.1, weight_decay=0.5),
        seed=0,
        rows=module.row_tables(),
    )


def test_each_student_takes_vectors_or_says_why_not(name, smaller, batch_of, logits_of):
    table = table_or_reason(name, smaller)
    if isinstance(table, str):
        assert name in {"cmow.v1", "linear.v1"}
        assert re.fullmatch(r"A word of .*\.", table)
        return
    module = module_of(name, smaller).eval()
    before, table = module.state_dict(), module.encoder.word_table()
    kept = {key: value.clone() for key, value in before.items()}
    old = logits_of(module, batch_of((4, 1), SIZE))
    given = np.random.default_rng(0).normal(0, 1, tuple(table.vectors.shape)).astype(np.float32)
    table.fill(given)
    assert not table.vectors[PAD_ID].any()
    np.testing.assert_array_equal(table.vectors[1:].numpy(), given[1:])
    assert np.abs(logits_of(module, batch_of((4, 1), SIZE)) - old).max() > 1e-4
    changed = [key for key, value in module.state_dict().items() if not torch.equal(value, kept[key])]
    assert len(changed) == 1
    ends = table.first + table.vectors.shape[1]
    for other in (slice(table.first), slice(ends, None)):
        torch.testing.assert_close(table.weight[1:, other], kept[changed[0]][1:, other])


def test_fewer_vectors_than_rows_leave_the_rest_alone():
    table = build("dan.v2", 3, seed=0, vocabulary_size=SIZE, width=4).encoder.word_table()
    kept = table.weight.detach().clone()
    table.fill(np.full((10, 4), 5.0, dtype=np.float32))
    assert not table.weight[PAD_ID].any()
    assert (table.weight[1:10, :4] == 5.0).all()
    assert torch.equal(table.weight[10:], kept[10:])
    assert torch.equal(table.weight[:, 4:], kept[:, 4:])
    with pytest.raises(RecipeError, match=r"\(41, 4\) do not fit a word table \(40, 4\)"):
        table.fill(np.zeros((SIZE + 1, 4), dtype=np.float32))


def test_frozen_vectors_survive_training_and_weight_decay(name, smaller, batch_of):
    if isinstance(table_or_reason(name, smaller), str):
        return
    module = module_of(name, smaller)
    table, batch = module.encoder.word_table(), batch_of((4, 1, 9), SIZE)
    if name in SHARING:
        with pytest.raises(RecipeError, match="share their table with other weights of the words"):
            table.freeze()
        return
    before = table.vectors.clone()
    others = {key: value.clone() for key, value in module.head.state_dict().items()}
    table.freeze()
    trained_a_step(module, batch)
    assert torch.equal(table.vectors, before)
    assert any(not torch.equal(value, others[key]) for key, value in module.head.state_dict().items())


def test_vectors_that_are_not_frozen_are_trained(batch_of):
    module = build("cbow.v1", 2, seed=0, vocabulary_size=SIZE)
    before = module.encoder.word_table().vectors.clone()
    trained_a_step(module, batch_of((4, 1, 9), SIZE))
    assert not torch.equal(module.encoder.word_table().vectors, before)


def test_vectors_of_another_shape_are_refused():
    table = build("cbow.v1", 2, seed=0, vocabulary_size=SIZE).encoder.word_table()
    with pytest.raises(RecipeError, match=r"\(40, 3\) do not fit a word table \(40, 16\)"):
        table.fill(np.zeros((SIZE, 3), dtype=np.float32))


def test_smooth_inverse_frequency_by_hand():
    assert sif_weights(np.array([0, 1, 3]), a=0.25) == pytest.approx([1.0, 0.5, 0.25])
    assert sif_weights(np.zeros(2, dtype=np.int64)).tolist() == [1.0, 1.0]
