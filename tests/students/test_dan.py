import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from understudy.errors import RecipeError
from understudy.students import Ragged, build, spec
from understudy.students.dan import MULTIPLIER, NO_GRAM, PRIME, DANConfig
from understudy.students.layers.onnx_graph import IR_VERSION, OPSET, Graph
from understudy.students.registry import count_parameters

NAME = "dan.v1"
LARGEST = 2**31 - 1


def test_has_1_209_698_parameters_with_two_labels():
    # (5000 + 32,768)·32 + (32 + 1)·32 + (32 + 1)·2 = 1,208,576 + 1,056 + 66
    assert count_parameters(build(NAME, 2, seed=0)) == 1_209_698
    assert spec(NAME).parameters(DANConfig(), 2) == 1_209_698


def bucket_of(hashed, buckets):
    return 1 + hashed**2 % PRIME % (buckets - 1)


def buckets_of(ids, buckets, longest):
    """The same with Python's integers, which never overflow: a row for each word, 0 where the text ends."""
    rows = []
    for start in range(len(ids)):
        row = []
        for n in range(2, longest + 1):
            gram = ids[start : start + n]
            hashed = gram[0]
            for word in gram[1:]:
                hashed = (hashed * MULTIPLIER + word + 1) % PRIME
            row.append(bucket_of(hashed, buckets) if len(gram) == n else NO_GRAM)
        rows.append(row)
    return rows


def onnx_buckets(encoder, batch):
    """``(longest - 1, b, t)``, by ONNX Runtime."""
    graph = Graph()
    names = encoder.bucket_graph(graph, "ids", "lengths")
    given = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "t"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT64, ["b"]),
    ]
    answers = [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "t"]) for name in names]
    made = helper.make_graph(graph.nodes, "buckets", given, answers, list(graph.weights.values()))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {"ids": batch.padded().numpy(), "lengths": batch.lengths.numpy()}
    return np.stack(session.run(names, feeds))


@pytest.mark.parametrize("longest", [2, 4, 6])
@pytest.mark.parametrize("buckets", [2, 101, 2**15, 2**40])
@pytest.mark.parametrize("largest", [30, LARGEST], ids=["few words", "very many words"])
def test_torch_and_onnx_and_whole_numbers_have_the_same_buckets(longest, buckets, largest):
    encoder = build(NAME, 2, seed=0, vocabulary_size=9, buckets=min(buckets, 101), longest=longest).encoder
    encoder.config = DANConfig(9, buckets, longest=longest)
    lengths = (1, 2, 3, 1, 4, 5, 40, 1)
    ids = np.random.default_rng(0).integers(0, largest, sum(lengths))
    ids[-1] = largest - 1
    batch = Ragged(torch.from_numpy(ids), torch.tensor(lengths))
    parts = np.split(ids, np.cumsum(lengths)[:-1])
    expected = [row for part in parts for row in buckets_of(part.tolist(), buckets, longest)]
    found = encoder.buckets(batch).tolist()
    assert found == expected
    there = onnx_buckets(encoder, batch).transpose(1, 2, 0)
    assert [row.tolist() for text, n in zip(there, lengths, strict=True) for row in text[:n]] == expected
    assert not any(text[n:].any() for text, n in zip(there, lengths, strict=True))


def test_buckets_of_short_texts_by_hand():
    encoder = build(NAME, 2, seed=0, vocabulary_size=9, buckets=11).encoder
    found = encoder.buckets(Ragged(torch.tensor([5, 3, 4, 5]), torch.tensor([1, 3])))
    three_four = (3 * MULTIPLIER + 5) % PRIME
    four_five = (4 * MULTIPLIER + 6) % PRIME
    all_three = (three_four * MULTIPLIER + 6) % PRIME
    inside = [bucket_of(number, 11) for number in (three_four, all_three, four_five)]
    assert found.tolist() == [[0, 0, 0], [*inside[:2], 0], [inside[2], 0, 0], [0, 0, 0]]


def test_buckets_are_evenly_filled_and_different_grams_seldom_meet():
    encoder = build(NAME, 2, seed=0, vocabulary_size=9, buckets=2**15, longest=2).encoder
    pairs = torch.cartesian_prod(torch.arange(3, 203), torch.arange(3, 203))  # 40,000 different ones
    batch = Ragged(pairs.flatten(), torch.full((len(pairs),), 2))
    found = encoder.buckets(batch)[::2, 0]
    counts = torch.bincount(found, minlength=2**15)[1:]
    by_chance = (2**15 - 1) * (1 - np.exp(-40_000 / (2**15 - 1)))
    assert (counts > 0).sum() == pytest.approx(by_chance, rel=0.02)
    assert counts.max() < 12


def test_features_by_hand():
    module = build(NAME, 2, seed=0, vocabulary_size=6, width=1, buckets=5, gram_weight=0.5).eval()
    with torch.no_grad():
        module.encoder.embedding.weight.copy_(torch.tensor([[0], [0], [0], [1], [2], [6.0]]))
        module.encoder.grams.weight.copy_(torch.tensor([[0], [10], [20], [40], [80.0]]))
        batch = Ragged(torch.tensor([3, 5, 4, 5]), torch.tensor([1, 3]))
        grams = [0.0, 10.0, 20.0, 40.0, 80.0]
        found = sum(grams[bucket] for row in buckets_of([5, 4, 5], 5, 4) for bucket in row)
        # one word has no n-gram; three words have two of 2 and one of 3
        expected = [1.0, (14 + 0.5 * found) / (3 + 0.5 * 3)]
        assert module.encoder(batch).flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("longest", [2, 3, 5])
def test_onnx_answers_like_torch_with_any_grams(make, batch_of, logits_of, onnx_of, longest):
    module = make(NAME, vocabulary_size=30, buckets=50, longest=longest, gram_weight=0.7)
    batch = batch_of((7, 1, 2, 22), 30)
    np.testing.assert_allclose(onnx_of(module)(batch), logits_of(module, batch), atol=1e-5, rtol=1e-5)


def test_reads_word_order_within_grams(make, logits_of):
    module, lengths = make(NAME, vocabulary_size=9, gram_weight=1.0), torch.tensor([4])
    one = logits_of(module, Ragged(torch.tensor([3, 4, 5, 6]), lengths))
    other = logits_of(module, Ragged(torch.tensor([6, 3, 5, 4]), lengths))
    assert np.abs(one - other).max() > 1e-2


def test_the_row_of_no_gram_is_zero_and_has_no_gradient(batch_of):
    module = build(NAME, 2, seed=0, vocabulary_size=30)
    table = module.encoder.grams.weight
    assert not table[NO_GRAM].any()
    module(batch_of((4, 1), 30)).sum().backward()
    assert table.grad.any()
    assert not table.grad[NO_GRAM].any()


@pytest.mark.parametrize("sizes", [{"longest": 1}, {"buckets": 1}])
def test_a_dan_without_grams_is_refused(sizes):
    with pytest.raises(RecipeError, match=r"cbow\.v1"):
        build(NAME, 2, seed=0, **sizes)


def test_a_start_by_smooth_inverse_frequency_by_hand():
    module = build(NAME, 2, seed=0, vocabulary_size=6, width=2, buckets=8, form="diffcat")
    tables = (module.encoder.embedding, module.encoder.grams)
    for table in tables:
        nn.init.ones_(table.weight)
        nn.init.zeros_(table.weight[NO_GRAM])
    one, other = (
        Ragged(torch.tensor([3, 3]), torch.tensor([2])),
        Ragged(torch.tensor([3, 4]), torch.tensor([2])),
    )
    module.weigh(one, other)
    # word 3 is 3/4 of all words, word 4 is 1/4; each of the two 2-grams is a half of all n-grams; a is 1/1000
    words = [0.0, 1.0, 1.0, 1 / 751, 1 / 251, 1.0]
    assert tables[0].weight[:, 1].tolist() == pytest.approx(words)
    first, second = (buckets_of(ids, 8, 2)[0][0] for ids in ([3, 3], [3, 4]))
    assert first != second
    grams = [0.0 if row == NO_GRAM else 1 / 501 if row in (first, second) else 1.0 for row in range(8)]
    assert tables[1].weight[:, 0].tolist() == pytest.approx(grams)


def test_a_start_from_texts_without_grams_leaves_their_table_alone():
    module = build(NAME, 2, seed=0, vocabulary_size=6)
    before = module.encoder.grams.weight.detach().clone()
    module.weigh(Ragged(torch.tensor([3, 4]), torch.tensor([1, 1])))
    assert torch.equal(module.encoder.grams.weight, before)
