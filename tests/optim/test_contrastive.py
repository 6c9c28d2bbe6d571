import math

import numpy as np
import pytest
import torch

from understudy.optim.contrastive import label_batches, supervised_contrastive

BOTH = torch.tensor([0, 0, 1, 1])


def test_the_loss_of_four_texts_is_that_of_the_formula():
    # Two texts of each label: those of one label are alike (s = 1 / 0.5 = 2), others are not (s = 0).
    features = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    expected = -(2 - math.log(math.exp(2) + 2 * math.exp(0)))
    assert float(supervised_contrastive(features, BOTH, 0.5)) == pytest.approx(expected, abs=1e-5)


def test_the_loss_averages_over_the_positives_of_a_text_and_over_texts():
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    labels = torch.tensor([0, 0, 0])
    # The first text: s = 0 and -1; the second: 0 and 0; the third: -1 and 0.
    outer = -((0 + -1) / 2 - math.log(1 + math.exp(-1)))
    expected = (2 * outer + math.log(2)) / 3
    assert float(supervised_contrastive(features, labels, 1.0)) == pytest.approx(expected, abs=1e-5)


def test_texts_of_one_label_near_each_other_cost_less():
    near = torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.1, 1.0]])
    assert supervised_contrastive(near, BOTH, 0.1) < supervised_contrastive(near[[0, 2, 1, 3]], BOTH, 0.1)


def test_a_text_alone_with_its_label_has_no_loss_of_its_own():
    features = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    alone = supervised_contrastive(features, torch.tensor([0, 1, 2]), 0.1)
    alone.backward()
    assert float(alone.detach()) == 0.0
    assert torch.isfinite(features.grad).all()


def batches(labels, size=32, steps=40, seed=0):
    return label_batches(np.array(labels), size, steps, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("labels", "places"), [([0] * 90 + [1] * 10, 16), ([0, 1, 2, 3, 4, 5] * 9, 5), ([*range(77)] * 3, 2)]
)
def test_every_label_of_a_batch_has_several_places(labels, places):
    found = batches(labels)
    assert len(found) == 40
    for batch in found:
        assert len(batch) <= 32
        assert np.bincount(np.array(labels)[batch]).max(initial=0) >= places
        assert set(np.bincount(np.array(labels)[batch])) - {0} <= {places, 2 * places}


def test_rare_labels_take_as_many_turns_as_frequent_ones_and_all_rows_have_theirs():
    labels = np.array([0] * 90 + [1] * 10)
    rows = np.concatenate(batches(labels))
    assert np.bincount(labels[rows]).tolist() == [640, 640]
    assert np.ptp(np.bincount(rows)[:90]) <= 1


def test_a_label_with_one_row_gives_it_twice():
    (batch,) = batches([0, 1], size=4, steps=1)
    assert sorted(batch.tolist()) == [0, 0, 1, 1]


def test_the_same_seed_gives_the_same_batches_and_another_does_not():
    labels = [0, 1] * 50
    one, two, other = (np.stack(batches(labels, seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
