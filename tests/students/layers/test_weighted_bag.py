from math import log, sqrt

import numpy as np
import pytest
import torch

from understudy.students import Ragged, build
from understudy.students.layers import weighted_bag
from understudy.students.layers.weighted_bag import OVERLAP, BagHead
from understudy.tokenization.words import SPECIALS, UNK_ID

SIZE = 12


def ragged(*texts):
    return Ragged(
        torch.tensor([number for text in texts for number in text]), torch.tensor([len(t) for t in texts])
    )


def bag(name="cbow.v2", labels=2, weights=(), rows=(), **sizes):
    """An encoder with some weights and rows of its own, in evaluation mode."""
    encoder = build(name, labels, seed=0, vocabulary_size=SIZE, **sizes).encoder.eval()
    with torch.no_grad():
        for number, weight in dict(weights).items():
            encoder.weights[number] = weight
        for number, row in dict(rows).items():
            encoder.rows[number] = torch.tensor(row)
    return encoder


def test_weights_are_inverse_document_frequencies_by_hand():
    encoder = bag()
    assert encoder.weights.tolist() == [0.0] * 3 + [1.0] * 9
    encoder.weigh(ragged([3, 4], [3, 3, 1], [5]))
    # of three texts two have word 3, one has 4, one has 5, none has the others
    expected = [0, 0, 0, log(4 / 3) + 1, log(4 / 2) + 1, log(4 / 2) + 1, *[log(4) + 1] * 6]
    assert encoder.weights.tolist() == pytest.approx(expected)


def test_pairs_weigh_words_by_both_their_texts():
    module = build("cbow.v2", 2, seed=0, form="compare", vocabulary_size=SIZE)
    module.weigh(ragged([3, 4], [3]), ragged([3], [5]))
    expected = [log(5 / 4) + 1, log(5 / 2) + 1, log(5 / 2) + 1]
    assert module.encoder.weights[3:6].tolist() == pytest.approx(expected)


def test_features_are_divided_by_the_length_of_the_weights():
    encoder = bag(width=2, weights={3: 3, 4: 4}, rows={3: [1.0, 2.0], 4: [3.0, -2.0]})
    with torch.no_grad():
        found = encoder(ragged([3, 4], [3, 3], [UNK_ID, 3], [UNK_ID])).tolist()
    # (3·(1, 2) + 4·(3, -2)) / 5; 6·(1, 2) / sqrt(9 + 9); the row as it is; nothing
    assert found[0] == pytest.approx([3.0, -0.4])
    assert found[1] == pytest.approx([sqrt(2), 2 * sqrt(2)])
    assert found[2] == pytest.approx([1.0, 2.0])
    assert found[3] == [0.0, 0.0]


def test_the_scale_of_all_weights_does_not_matter(batch_of):
    encoder, batch = bag("dan.v2"), batch_of((5, 1, 9), SIZE)
    with torch.no_grad():
        encoder.rows.normal_()
        before = encoder(batch)
        encoder.weights *= 7.0
        torch.testing.assert_close(encoder(batch), before)


@pytest.mark.parametrize("name", ["linear.v1", "cbow.v2", "dan.v2"])
def test_unknown_words_alone_leave_the_heads_own_answer(make, name):
    module = make(name, 2, vocabulary_size=SIZE)
    with torch.no_grad():
        module.head.output.bias.copy_(torch.tensor([0.5, -2.0]))
        if hasattr(module.head, "hidden"):
            module.head.hidden.bias.fill_(-1.0)  # no unit is active without a word
        found = module(ragged([UNK_ID], [UNK_ID, UNK_ID], [5])).tolist()
    assert found[:2] == [[0.5, -2.0], [0.5, -2.0]]
    assert found[2] != found[0]


def overlap_by_hand(weights, first, second):
    """The same by loops over two lists of ids."""
    sizes = [sum(weights[word] ** 2 for word in text) or 1e-12 for text in (first, second)]
    product = sum(weights[one] * weights[two] for one in first for two in second if one == two)
    shares = [
        sum(weights[word] ** 2 for word in text if word in other) / size
        for text, other, size in ((first, second, sizes[0]), (second, first, sizes[1]))
    ]
    gap = abs(len(first) - len(second)) / (len(first) + len(second))
    return [product / sqrt(sizes[0] * sizes[1]), *shares, gap]


def test_overlap_by_hand():
    encoder = bag(weights={3: 3, 4: 4, 5: 1})
    cases = {
        # squares 25 and 17, of which 16 is shared; 3 and 2 words
        ((3, 4, UNK_ID), (4, 5)): [16 / sqrt(25 * 17), 16 / 25, 16 / 17, 1 / 5],
        ((4, 5), (3, 4, UNK_ID)): [16 / sqrt(25 * 17), 16 / 17, 16 / 25, 1 / 5],
        ((3, 4), (4, 3)): [1, 1, 1, 0],
        ((3,), (4, 5, 5)): [0, 0, 0, 1 / 2],
        # a word that stands twice is found once for each place: 9 + 9 of sqrt(18 · 9)
        ((3, 3), (3,)): [18 / sqrt(18 * 9), 1, 1, 1 / 3],
        ((UNK_ID,), (UNK_ID,)): [0, 0, 0, 0],
    }
    found = encoder.overlap(ragged(*(one for one, _ in cases)), ragged(*(two for _, two in cases)))
    assert found.shape == (len(cases), len(OVERLAP))
    np.testing.assert_allclose(found, list(cases.values()), atol=1e-6)
    by_loops = [overlap_by_hand(encoder.weights.tolist(), *pair) for pair in cases]
    np.testing.assert_allclose(found, by_loops, atol=1e-6)


def test_overlap_of_random_texts_is_that_of_loops():
    generator = np.random.default_rng(0)
    encoder = bag()
    encoder.weights.copy_(torch.from_numpy(generator.uniform(1, 5, SIZE)))
    encoder.weights[: len(SPECIALS)] = 0.0
    sides = [
        [generator.integers(1, SIZE, generator.integers(1, 9)).tolist() for _ in range(50)] for _ in "ab"
    ]
    expected = [overlap_by_hand(encoder.weights.tolist(), *pair) for pair in zip(*sides, strict=True)]
    found = encoder.overlap(*(ragged(*side) for side in sides))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert np.std(found.numpy(), axis=0).min() > 0.1


def test_features_of_a_pair_by_hand():
    rows = {3: [1.0, 2.0, 0.5, 7.0], 4: [3.0, -2.0, 1.0, -1.0]}  # two of an embedding, two that are logits
    encoder = bag("dan.v2", width=2, weights={3: 3, 4: 4}, rows=rows)
    with torch.no_grad():
        found = encoder.compare(ragged([3]), ragged([4, UNK_ID])).flatten().tolist()
    distance, product, direct = [2.0, 4.0], [3.0, -4.0], [1.5, 6.0]
    assert found == pytest.approx([1, 2, 3, -2, *distance, *product, *direct, 0, 0, 0, 1 / 3])
    assert len(found) == encoder.pair_width


def test_a_heads_logits_by_hand():
    config = build("dan.v2", 2, seed=0, vocabulary_size=SIZE, width=1, hidden=1).config
    head = BagHead(config.width * 4 + config.direct + len(OVERLAP), 2, config, 1)
    with torch.no_grad():
        head.hidden.weight.copy_(torch.tensor([[1.0, 0, 0, 2, 0, 0, 0, 10]]))
        head.hidden.bias.fill_(-1.0)
        head.output.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        head.output.bias.copy_(torch.tensor([0.0, 100.0]))
        head.shared.weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 0, 2, 0]]))
        features = torch.tensor([[1.0, 9, 9, 2, 0.25, 0.75, 3, 9, 4, 0.5]])
        # hidden: relu(1 + 2·2 + 10·0.5 - 1) = 9; then 9 and -9 + 100, direct (0.25, 0.75), shared (3, 8)
        assert head(features).tolist() == [[9 + 0.25 + 3, 91 + 0.75 + 8]]


@pytest.mark.parametrize("name", ["linear.v1", "cbow.v2", "dan.v2"])
def test_dropout_is_of_training_alone(make, batch_of, name):
    module, batch = make(name, vocabulary_size=SIZE, dropout=0.5), batch_of((9, 8, 7), SIZE)
    with torch.no_grad():
        torch.testing.assert_close(module(batch), module(batch), rtol=0, atol=1e-6)
        module.train()
        seen = torch.stack([module(batch) for _ in range(8)])
    assert seen.std(dim=0).min() > 1e-3
    module.encoder.config = type(module.config)(**{**vars(module.config), "dropout": 0.0})
    with torch.no_grad():
        torch.testing.assert_close(module(batch), module(batch), rtol=0, atol=1e-6)


def test_dropped_words_neither_count_nor_lengthen():
    encoder = bag(width=2, weights={3: 3, 4: 4}, rows={3: [1.0, 2.0], 4: [3.0, -2.0]}, dropout=0.5)
    encoder.train()
    torch.manual_seed(0)
    with torch.no_grad():
        seen = {tuple(round(value, 4) for value in encoder(ragged([3, 4]))[0].tolist()) for _ in range(60)}
    assert seen == {(3.0, -0.4), (1.0, 2.0), (3.0, -2.0), (0.0, 0.0)}


@pytest.mark.parametrize("name", ["linear.v1", "cbow.v2", "dan.v2"])
def test_a_step_reaches_the_rows_of_its_batch_alone(make, name):
    module = make(name, vocabulary_size=SIZE, dropout=0.0).train()
    module(ragged([3, 5], [5, 7, UNK_ID])).square().sum().backward()
    gradient = module.encoder.rows.grad
    assert gradient.is_sparse
    dense = gradient.to_dense()
    assert sorted(dense.abs().sum(dim=1).nonzero().flatten().tolist()) == [3, 5, 7]
    assert module.row_tables() == [module.encoder.rows]

    module.encoder.rows.grad = None
    module.eval()(ragged([3, 5], [5, 7, UNK_ID])).square().sum().backward()
    torch.testing.assert_close(module.encoder.rows.grad, dense)


def test_other_students_have_no_row_tables():
    assert build("cbow.v1", 2, seed=0, vocabulary_size=SIZE).row_tables() == []


@pytest.mark.parametrize("name", ["linear.v1", "cbow.v2", "dan.v2"])
@pytest.mark.parametrize("labels", [1, 4])
def test_pairs_of_random_lengths_are_answered_by_onnx_as_by_torch(
    make, batch_of, logits_of, onnx_of, name, labels
):
    module = make(name, labels, form="compare", vocabulary_size=SIZE)
    module.weigh(batch_of((9, 3, 4), SIZE))
    twin, generator, seen = onnx_of(module), np.random.default_rng(5), []
    for seed in range(12):
        count = generator.integers(1, 9)
        pair = [
            batch_of(tuple(generator.integers(1, 40, count).tolist()), SIZE, 2 * seed + side)
            for side in (0, 1)
        ]
        expected = logits_of(module, *pair)
        for extra in (0, 3):
            np.testing.assert_allclose(twin(*pair, extra=extra), expected, atol=1e-5, rtol=1e-5)
        seen.append(expected)
    unknown = ragged([UNK_ID], [3, UNK_ID]), ragged([UNK_ID, UNK_ID], [4])
    np.testing.assert_allclose(twin(*unknown), logits_of(module, *unknown), atol=1e-5)
    assert np.std(np.concatenate(seen), axis=0).min() > 0.02


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_weights_do_not_depend_on_the_blocks_in_which_texts_are_counted(block, monkeypatch):
    whole, parts, texts = bag(), bag(), ragged([3, 4], [3, 3, 1], [5], [4, 3, 4], [11])
    whole.weigh(texts)
    monkeypatch.setattr(weighted_bag, "AT_ONCE", block)
    parts.weigh(texts)
    assert parts.weights.tolist() == whole.weights.tolist()
