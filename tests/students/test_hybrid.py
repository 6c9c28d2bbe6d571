import numpy as np
import pytest
import torch

from understudy.errors import RecipeError
from understudy.students import Ragged, build, spec
from understudy.students.cmow import HEADS
from understudy.students.hybrid import BiHybridConfig, HybridConfig
from understudy.students.registry import count_parameters

HYBRID, BIHYBRID = "hybrid.v1", "bihybrid.v1"


@pytest.mark.parametrize(
    ("name", "form", "head", "labels", "total"),
    [
        # 30,522·800 = 24,417,600; layer norm 2·800, linear 801·c
        (HYBRID, "text", "linear", 2, 24_420_802),
        (HYBRID, "text", "linear", 3, 24_421_603),
        (HYBRID, "text", "linear", 21, 24_436_021),
        # linear 801·1,000, layer norm 2·1,000, linear 1,001·c
        (HYBRID, "text", "mlp", 2, 25_222_602),
        (HYBRID, "text", "mlp", 3, 25_223_603),
        (HYBRID, "text", "mlp", 21, 25_241_621),
        # the head reads 3·800 features
        (HYBRID, "diffcat", "mlp", 2, 26_822_602),
        # 30,522·1,200 = 36,626,400; the head reads 3·1,200 features
        (BIHYBRID, "diffcat", "linear", 2, 36_640_802),
        (BIHYBRID, "diffcat", "mlp", 2, 40_231_402),
        (BIHYBRID, "diffcat", "mlp", 3, 40_232_403),
        (BIHYBRID, "diffcat", "mlp", 21, 40_250_421),
    ],
)
def test_published_totals(name, form, head, labels, total):
    config = spec(name).config(head=head)
    with torch.device("meta"):
        module = spec(name).module(config, labels, form)
    assert count_parameters(module) == total
    assert spec(name).parameters(config, labels, form) == total


@pytest.fixture
def small():
    """name → its encoder with 2 × 2 matrices and vectors of 1: word 3 shears, word 4 swaps."""

    def make(name):
        encoder = build(name, 2, seed=0, vocabulary_size=5, size=2, width=1).eval().encoder
        shear, swap = [0, 2, 0, 0.0], [-1, 1, 1, -1.0]
        forward_only = [[*shear, 5.0], [*swap, 7.0]]
        both = [[*shear, *swap, 5.0], [*swap, *shear, 7.0]]  # backward, 3 swaps and 4 shears
        with torch.no_grad():
            encoder.embedding.weight[3:] = torch.tensor(both if name == BIHYBRID else forward_only)
        return encoder

    return make


BATCH = Ragged(torch.tensor([3, 4, 4]), torch.tensor([2, 1]))
SHEAR, SWAP, BOTH = [1, 2, 0, 1], [0, 1, 1, 0], [2, 1, 1, 0]  # as rows; BOTH is shear times swap


def test_features_by_hand(small):
    with torch.inference_mode():
        assert small(HYBRID)(BATCH).tolist() == [[*BOTH, 6], [*SWAP, 7]]
        # backward: word 4's matrix (shear) times word 3's (swap)
        assert small(BIHYBRID)(BATCH).tolist() == [[*BOTH, *BOTH, 6], [*SWAP, *SHEAR, 7]]


def test_token_features_by_hand(small):
    with torch.inference_mode():
        assert small(HYBRID).tokens(BATCH).tolist() == [[*SHEAR, 5], [*BOTH, 7], [*SWAP, 7]]
        assert small(BIHYBRID).tokens(BATCH).tolist() == [
            [*SHEAR, *BOTH, 5],  # backward, the first word is reached last
            [*BOTH, *SHEAR, 7],
            [*SWAP, *SHEAR, 7],
        ]


def test_a_texts_ends_hold_the_whole_products(make, batch_of):
    encoder, batch = make(BIHYBRID, vocabulary_size=30).encoder, batch_of((5, 1, 20), 30)
    with torch.inference_mode():
        whole, tokens = encoder(batch), encoder.tokens(batch).split([5, 1, 20])
    square = encoder.config.size**2
    for text, every in zip(whole, tokens, strict=True):
        torch.testing.assert_close(every[-1, :square], text[:square])
        torch.testing.assert_close(every[0, square : 2 * square], text[square : 2 * square])
        torch.testing.assert_close(every[:, 2 * square :].mean(0), text[2 * square :])


@pytest.mark.parametrize("name", [HYBRID, BIHYBRID])
def test_matrices_and_vectors_begin_apart(name):
    weight = build(name, 2, seed=0, vocabulary_size=50).encoder.embedding.weight.detach()[1:]
    assert abs(float(weight[:, :-400].std()) - 0.01) < 1e-3
    assert abs(float(weight[:, -400:].std()) - 0.1) < 1e-2


SMALL = {"cmow.v1": {"size": 5}, HYBRID: {"size": 4, "width": 5}, BIHYBRID: {"size": 4, "width": 5}}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("form", ["text", "diffcat", "tokens"])
def test_onnx_answers_like_torch_with_any_head(make, batch_of, logits_of, onnx_of, name, head, form):
    sizes = {**SMALL[name], "vocabulary_size": 30, "hidden": 9, "filters": 7, "states": 6}
    module, lengths = make(name, 4, head=head, form=form, **sizes), (7, 1, 22)
    batches = [batch_of(lengths, 30, seed) for seed in range(2 if form == "diffcat" else 1)]
    expected, found = logits_of(module, *batches), onnx_of(module)(*batches)
    if form == "tokens":
        found = np.concatenate([row[:length] for row, length in zip(found, lengths, strict=True)])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.1
    assert count_parameters(module) == spec(name).parameters(module.config, 4, form)


def test_the_convolution_sees_each_matrix_as_an_image(make):
    module = make(BIHYBRID, form="diffcat", vocabulary_size=9, size=3, width=2, filters=2, head="cnn")
    features = torch.randn(4, 3 * (2 * 9 + 2), generator=torch.Generator().manual_seed(0))
    texts = features.view(4, 3, 20)
    image = texts[:, :, :18].reshape(4, 6, 3, 3)
    filtered = torch.nn.functional.conv2d(
        image, module.head.convolution.weight, module.head.convolution.bias, padding=1
    )
    found = torch.cat([filtered.clamp(min=0).flatten(2).max(2).values, texts[:, :, 18:].flatten(1)], dim=1)
    torch.testing.assert_close(module.head(features), module.head.output(module.head.norm(found)))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("form", ["text", "diffcat", "tokens"])
def test_students_with_an_lstm_answer_alone_as_in_any_batch(make, batch_of, logits_of, name, form):
    sizes = {**SMALL[name], "vocabulary_size": 30, "states": 6}
    module, lengths = make(name, 4, head="bilstm", form=form, **sizes), [7, 1, 22]
    batches = [batch_of(lengths, 30, seed) for seed in range(2 if form == "diffcat" else 1)]
    parts = zip(*(batch.ids.split(lengths) for batch in batches), strict=True)
    alone = [logits_of(module, *(Ragged(ids, torch.tensor([len(ids)])) for ids in part)) for part in parts]
    np.testing.assert_allclose(np.concatenate(alone), logits_of(module, *batches), atol=1e-5)


def test_an_lstm_reads_the_features_of_every_word(make, batch_of):
    encoder = make(BIHYBRID, vocabulary_size=30, size=3, width=2, states=5, head="bilstm").encoder
    bare = make(BIHYBRID, vocabulary_size=30, size=3, width=2).encoder
    bare.load_state_dict({"embedding.weight": encoder.embedding.weight})
    batch = batch_of((6,), 30)
    with torch.inference_mode():
        states, (last, _) = encoder.lstm(bare.tokens(batch)[None])
        torch.testing.assert_close(encoder.tokens(batch), states[0])
        torch.testing.assert_close(encoder(batch), last.transpose(0, 1).flatten(1))


@pytest.mark.parametrize("config", [HybridConfig, BiHybridConfig])
def test_has_the_sizes_of_the_paper(config):
    found = config()
    assert (found.vocabulary_size, found.size, found.width, found.hidden) == (30_522, 20, 400, 1000)
    assert found.max_words == 512


@pytest.mark.parametrize("name", [HYBRID, BIHYBRID])
def test_impossible_sizes_are_refused(name):
    with pytest.raises(RecipeError, match="width is 0"):
        build(name, 2, seed=0, width=0)
    with pytest.raises(RecipeError, match=r"Unknown head 'mlpp'. Did you mean 'mlp'"):
        build(name, 2, seed=0, head="mlpp")
