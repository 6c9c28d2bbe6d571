"""The native trainer of weighted bags beside plain numpy. `make sanitize` runs it, too."""

import itertools
import sys
from dataclasses import replace

import numpy as np
import pytest
from bag_trainer_cases import (
    EACH,
    EXCLUSIVE,
    FACTOR,
    FORMS,
    SPECIALS,
    first_bag,
    gradients,
    learn,
    logits,
    loss_of,
    precise,
    texts_of,
)

from understudy.errors import MissingExtraError, RecipeError
from understudy.runtime.fast_format import LANES, MOST_LABELS, MOST_WIDTH
from understudy.tokenization.batching import shuffled
from understudy.training.native import bag_trainer
from understudy.training.native.bag_trainer import BagTargets

pytest.importorskip("understudy._fast", reason="the C extension was not built")

LEVELS = (0, 1, 2)
SIZES = ((3, 5, 7), (2, 16, 32), (18, 21, 9))
"""Labels, width, hidden width: with and without padding."""

KINDS = [(False, name) for name in EXCLUSIVE] + [(True, name) for name in EACH]
KINDS += [(False, "mse+"), (False, "kl+"), (True, "mse+"), (True, "bce+"), (True, "hard+"), (False, "hard+")]
"""Whether labels may hold together, and the loss; with + there is a share of gold labels, weighed."""


def targets_of(is_each, kind, labels, texts=1, seed=1):
    rng = np.random.default_rng(seed)
    loss = kind.rstrip("+")
    soft = None if loss == "gold" else rng.normal(0, 1.5, (texts, labels)).astype(np.float32)
    gold = rng.integers(0, labels, texts)
    if is_each:
        gold = (rng.random((texts, labels)) < 0.5).astype(np.float32)
    weights = rng.uniform(0.5, 2, labels).astype(np.float32) if kind in ("gold", f"{loss}+") else None
    alpha = 0.3 if kind.endswith("+") else 0.0
    chosen = rng.uniform(0.3, 0.7, labels).astype(np.float32)
    return BagTargets(loss, soft, gold, alpha, 2.5, weights, chosen)


def unlike(texts=8, features=9, seed=0):
    """Texts of different lengths in each of which a feature stands once; the second is empty."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(features)[: rng.integers(1, 6)] for _ in range(texts)]
    rows[1] = []
    return rows


@pytest.fixture
def steps_are_gradients(monkeypatch):
    monkeypatch.setattr(bag_trainer, "FIRST_SQUARE", FACTOR**2)
    return {"rows": FACTOR, "layers": FACTOR}


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("is_each", "kind"), KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_a_step_follows_the_gradient_of_the_loss(form, is_each, kind, sizes, steps_are_gradients):
    """The text has a feature without weight, and one that stands twice."""
    labels, width, hidden = sizes
    bag, targets = first_bag(form, labels, 9, width, hidden), targets_of(is_each, kind, labels)
    ids, layers = [3, 5, 0, 8, 5], precise(bag)
    expected = gradients(bag, layers, targets, 0, ids)
    assert np.abs(expected[0][[3, 5, 8]]).max() > 1e-4
    assert not expected[0][[0, 1, 2, 4, 6, 7]].any()
    for level in LEVELS:
        (after,), (loss,) = learn(bag, texts_of(ids), targets, level=level, **steps_are_gradients)
        assert loss == pytest.approx(loss_of(targets, 0, logits(bag, layers, ids)), rel=1e-4, abs=1e-6)
        for old, new, gradient in zip(bag.layers, after, expected, strict=True):
            # The step divides by a root of 11 bits; weights of size 1 hold a difference to 1e-7.
            np.testing.assert_allclose(old - new, gradient, rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("form", FORMS)
def test_two_passes_are_adagrad_in_the_order_that_was_drawn(form):
    """Rows and layers have rates of their own, which fall to a tenth."""
    rows = unlike()
    bag, targets = first_bag(form), targets_of(False, "kl+", 3, len(rows))
    layers, generator = precise(bag), np.random.default_rng(5)
    squares = [np.full(layer.shape, bag_trainer.FIRST_SQUARE) for layer in layers]
    sums = []
    for rates in ((0.2, 0.05), (0.02, 0.005)):
        sums.append(0.0)
        order = shuffled(len(rows), generator)
        generator.integers(1, 2**63)
        for text in order:
            sums[-1] += loss_of(targets, text, logits(bag, layers, rows[text])) / len(rows)
            found = gradients(bag, layers, targets, text, rows[text])
            for number, gradient in enumerate(found):
                squares[number] += gradient**2
                layers[number] -= rates[number > 0] * gradient / np.sqrt(squares[number])

    more = {"epochs": 2, "rows": 0.2, "layers": 0.05, "seed": 5}
    for level in LEVELS:
        seen, losses = learn(bag, texts_of(*rows), targets, **more, level=level)
        assert losses == pytest.approx(sums, rel=5e-3)
        for made, expected in zip(seen[-1], layers, strict=True):
            # Roots of 11 bits, and gradients near 0, whose first step has nearly the length of any other.
            np.testing.assert_allclose(made, expected, atol=5e-3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("is_each", [False, True])
def test_all_processors_learn_alike(form, is_each):
    rows = unlike(40)
    bag, targets = first_bag(form, dropout=0.3), targets_of(is_each, "mse+", 3, len(rows))
    found = [learn(bag, texts_of(*rows), targets, epochs=3, level=level) for level in LEVELS]
    for seen, losses in found[1:]:
        # Each kind has an approximate root of its own; so many steps let that grow.
        assert losses == pytest.approx(found[0][1], rel=1e-2)
        for one, other in zip(seen[-1], found[0][0][-1], strict=True):
            np.testing.assert_allclose(one, other, atol=2e-2)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("sizes", [*SIZES, (17, 31, 33)], ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_padding_stays_zero(form, sizes, level):
    labels, width, hidden = sizes
    rows, states = unlike(20), []
    bag, targets = first_bag(form, labels, 9, width, hidden), targets_of(False, "mse+", labels, len(rows))
    learn(bag, texts_of(*rows), targets, epochs=2, level=level, keep=states.append)
    like = bag.layers[0], bag.layers[1].T, bag.layers[2][None], bag.layers[3], bag.layers[4][None]
    for layer, original in zip(states[-1].layers, like, strict=True):
        count, real = original.shape
        assert layer.shape == (count, -(-real // LANES) * LANES)
        assert not layer[:, real:].any()
        assert np.isfinite(layer).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("form", FORMS)
def test_what_has_no_weight_or_is_not_there_is_not_changed(form, level):
    bag, targets = first_bag(form), targets_of(False, "mse", 3, 3)
    texts = texts_of([3, 0, 5], [], [1, 2])
    seen, _ = learn(bag, texts, targets, epochs=2, level=level)
    changed = np.abs(seen[-1][0] - bag.layers[0]).max(axis=1) > 0
    assert np.flatnonzero(changed).tolist() == [3, 5]


@pytest.mark.parametrize("rows", [[[]], [[0, 1, 2]]], ids=["none", "without weight"])
@pytest.mark.parametrize("form", FORMS)
def test_a_text_of_nothing_teaches_biases_alone(form, rows, steps_are_gradients):
    bag, targets = first_bag(form), targets_of(False, "mse", 3)
    (after,), _ = learn(bag, texts_of(*rows), targets, **steps_are_gradients)
    expected = gradients(bag, precise(bag), targets, 0, np.array(rows[0], int))
    for old, new, gradient in zip(bag.layers, after, expected, strict=True):
        np.testing.assert_allclose(old - new, gradient, rtol=1e-3, atol=2e-6)
    assert not expected[0].any()
    assert not expected[1].any()
    assert expected[4].all()


@pytest.mark.parametrize(
    ("is_each", "kind"), [(False, "kl+"), (False, "mse+"), (True, "bce+"), (True, "mse+")]
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_text_without_gold_labels_learns_from_the_teacher_alone(is_each, kind, place, steps_are_gradients):
    """In multilabel one NaN, wherever it stands, says that there are none."""
    bag, targets = first_bag("dan.v2"), targets_of(is_each, kind, 3)
    gold = targets.gold.copy()
    gold[(0, place) if is_each else 0] = np.nan if is_each else -1
    unlabelled = replace(targets, gold=gold)
    without = replace(targets, alpha=0.0)
    found = [
        learn(bag, texts_of([3, 4]), each, **steps_are_gradients) for each in (unlabelled, without, targets)
    ]
    assert found[0][1] == found[1][1]
    assert found[0][1] != found[2][1]
    for one, other in zip(found[0][0][0], found[1][0][0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("is_each", [False, True])
def test_gold_labels_alone_are_nothing_to_a_text_without_any(is_each):
    bag = first_bag("dan.v2")
    gold = np.full((1, 3), np.nan, np.float32) if is_each else np.array([-1])
    (after,), losses = learn(bag, texts_of([3, 4]), BagTargets("gold", None, gold))
    assert losses == [0]
    for old, new in zip(bag.layers, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_dropped_features_leave_the_bags_length_too():
    """Weights 3 and 4: with nothing to learn, the loss says which of them was kept."""
    bag = first_bag("linear.v1", 2)
    bag.weights[3:5] = 3, 4
    bag = replace(bag, dropout=0.4)
    targets = BagTargets("mse", np.zeros((1, 2), np.float32), np.array([-1]))
    tally = {}
    for seed in range(400):
        _, (loss,) = learn(bag, texts_of([3, 4]), targets, rows=0, layers=0, seed=seed)
        tally[round(loss, 4)] = tally.get(round(loss, 4), 0) + 1
    kept = {
        ids: round(loss_of(targets, 0, logits(bag, precise(bag), list(ids))), 4)
        for ids in ((3, 4), (3,), (4,), ())
    }
    assert set(tally) == set(kept.values())
    for ids, share in {(3, 4): 0.36, (3,): 0.24, (4,): 0.24, (): 0.16}.items():
        assert tally[kept[ids]] / 400 == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize(
    ("dropout", "least", "most"), [(0.0, 1.0, 1.0), (0.5, 0.46, 0.54), (0.9, 0.07, 0.13)]
)
def test_as_many_features_are_dropped_as_asked_for_and_others_in_each_pass(dropout, least, most):
    bag, count = first_bag("linear.v1", 2, 3003, dropout=dropout), 3000
    targets = BagTargets("mse", np.full((count, 2), 9, np.float32), np.full(count, -1))
    texts = np.arange(SPECIALS, count + SPECIALS), np.arange(1, count + 1)
    seen, _ = learn(bag, texts, targets, epochs=2)
    passes = [
        (before != after).any(axis=1)[SPECIALS:]
        for before, after in itertools.pairwise([bag.layers[0], *(s[0] for s in seen)])
    ]
    for moved in passes:
        assert least <= moved.mean() <= most
    assert (passes[0] != passes[1]).any() == (dropout > 0)


def test_the_same_seed_gives_the_same_weights():
    rows = unlike(20)
    bag, targets = first_bag("dan.v2", dropout=0.2), targets_of(False, "kl", 3, len(rows))
    one, same, other = (learn(bag, texts_of(*rows), targets, seed=seed)[0][0] for seed in (0, 0, 1))
    for layer, again, different in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(layer, again)  # exact: the same seed, shapes and machine
        assert (layer != different).any()


@pytest.mark.parametrize("form", FORMS)
def test_a_training_goes_on_from_a_state_as_if_never_stopped(form):
    rows = unlike(20)
    bag, targets = first_bag(form, dropout=0.2), targets_of(True, "bce", 3, len(rows))
    texts, states = texts_of(*rows), []
    whole, losses = learn(bag, texts, targets, epochs=4)

    def keep(state):
        copies = [[layer.copy() for layer in part] for part in (state.layers, state.squares)]
        states.append(replace(state, layers=copies[0], squares=copies[1]))

    learn(bag, texts, targets, epochs=4, keep=keep)
    assert [state.epoch for state in states] == [1, 2, 3, 4]
    seen, rest = learn(bag, texts, targets, epochs=4, state=states[1])
    assert rest == losses[2:]
    for layer, expected in zip(seen[-1], whole[-1], strict=True):
        np.testing.assert_array_equal(layer, expected)  # exact: the same steps on the same machine


def test_first_weights_are_not_changed_and_training_stops_where_it_is_told():
    bag, targets = first_bag("dan.v2"), targets_of(False, "mse", 3)
    before, epochs, kept = precise(bag), [], []

    def stop(epoch, _, __):
        epochs.append(epoch)
        return epoch < 2

    learn(bag, texts_of([3, 4]), targets, epochs=9, after_epoch=stop, keep=kept.append)
    assert epochs == [1, 2]
    assert len(kept) == 1
    for layer, expected in zip(bag.layers, before, strict=True):
        np.testing.assert_array_equal(layer, expected)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("is_each", "kind"), [*KINDS[:10], (True, "mse+")])
@pytest.mark.parametrize("form", FORMS)
def test_it_learns_32_texts_by_heart(form, is_each, kind, level):
    labels, texts = 4, 32
    bag = first_bag(form, labels, 60, 16, 32, seed=2)
    rng = np.random.default_rng(3)
    rows = [rng.choice(np.arange(SPECIALS, 60), 6, replace=False) for _ in range(texts)]
    columns = rng.integers(0, labels, texts)
    truth = (rng.random((texts, labels)) < 0.5) if is_each else np.eye(labels)[columns] > 0
    soft = np.where(truth, 3, -3).astype(np.float32)
    gold = truth.astype(np.float32) if is_each else columns
    loss, alpha = kind.rstrip("+"), 0.5 if kind.endswith("+") else 0.0
    targets = BagTargets(loss, None if loss == "gold" else soft, gold, alpha, 1.5)
    seen, losses = learn(bag, texts_of(*rows), targets, epochs=60, rows=0.3, layers=0.05, level=level)
    answers = np.stack([logits(bag, [x.astype(float) for x in seen[-1]], row) for row in rows])
    assert losses[-1] < losses[0]
    if is_each:
        assert ((answers > 0) == truth).mean() > 0.98
    else:
        assert (answers.argmax(axis=1) == columns).mean() > 0.98


@pytest.mark.parametrize("is_each", [False, True])
def test_far_logits_overflow_nowhere(is_each, steps_are_gradients):
    """A warning would fail this test."""
    bag = first_bag("linear.v1", 3)
    bag.layers[0][3] = 300, -300, 0
    soft = np.array([[400, -400, 0]], np.float32)
    loss = "bce" if is_each else "kl"
    targets = BagTargets(loss, soft, np.zeros((1, 3)) if is_each else np.array([0]))
    (after,), (loss,) = learn(bag, texts_of([3]), targets, **steps_are_gradients)
    assert np.isfinite(loss)
    assert all(np.isfinite(layer).all() for layer in after)


@pytest.mark.parametrize(
    "sizes", [(MOST_LABELS, MOST_WIDTH, 3), (2, 3, MOST_WIDTH), (MOST_LABELS, 0, 0)], ids=str
)
@pytest.mark.parametrize("level", LEVELS)
def test_the_largest_sizes_fit(sizes, level):
    labels, width, hidden = sizes
    form = "dan.v2" if width else "linear.v1"
    bag = first_bag(form, labels, 5, width, hidden)
    (after,), (loss,) = learn(bag, texts_of([3, 4]), targets_of(False, "kl+", labels), level=level)
    assert np.isfinite(loss)
    assert (after[0][3:] != bag.layers[0][3:]).mean() > 0.9


def test_arrays_may_begin_where_their_numbers_may():
    """A slice of 4-byte numbers begins at any multiple of 4."""
    bag, targets = first_bag("dan.v2"), targets_of(False, "mse", 3, 3)
    sliced = replace(targets, soft=targets.soft[1:], gold=targets.gold[1:])
    weights = np.concatenate([[0], bag.weights]).astype(np.float32)[1:]
    ids = np.array([9, 3, 4, 5], np.int32)[1:]
    assert sliced.soft.ctypes.data % 8 == weights.ctypes.data % 8 == ids.ctypes.data % 8 == 4
    _, losses = learn(replace(bag, weights=weights), (ids, np.array([1, 3])), sliced)
    copied = replace(sliced, soft=sliced.soft.copy())
    assert losses == learn(bag, texts_of([3], [4, 5]), copied)[1]


ONE = ([3], [1])


@pytest.mark.parametrize(
    ("texts", "change", "what"),
    [
        (([9], [1]), {}, "not in the vocabulary"),
        (([-1], [1]), {}, "not in the vocabulary"),
        (([3], [2]), {}, "after the last id"),
        (([3, 4], [2, 1]), {"gold": np.array([0, 0])}, "ends before it begins"),
        (([3], [-1]), {}, "ends before it begins"),
        (ONE, {"gold": np.array([3])}, "not one of the labels"),
        (ONE, {"gold": np.array([-2])}, "not one of the labels"),
        (ONE, {"gold": np.array([0, 1])}, "16 bytes, but 8"),
        (ONE, {"gold": np.zeros((1, 2), np.float32)}, "8 bytes, but 12"),
        (ONE, {"class_weights": np.ones(2)}, "8 bytes, but 12"),
        (ONE, {"loss": "mse", "soft": np.zeros((2, 3))}, "24 bytes, but 12"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_what_lies_outside_is_refused(form, texts, change, what):
    targets = BagTargets(**{"loss": "gold", "soft": None, "gold": np.array([0]), **change})
    with pytest.raises(RecipeError, match=what):
        learn(first_bag(form), tuple(map(np.array, texts)), targets)


def without_direct(bag):
    return replace(bag, layers=[bag.layers[0][:, :-1], *bag.layers[1:]])


@pytest.mark.parametrize(
    ("bag", "what"),
    [
        (first_bag("dan.v2", width=MOST_WIDTH + 1), "impossible width"),
        (first_bag("dan.v2", hidden=MOST_WIDTH + 1), "impossible width"),
        (first_bag("linear.v1", MOST_LABELS + 1), "impossible width"),
        (first_bag("dan.v2", hidden=0), "impossible width"),
        (without_direct(first_bag("dan.v2")), "impossible width"),
        (replace(first_bag("dan.v2"), weights=np.ones(8, np.float32)), "Array 0 has"),
        (first_bag("dan.v2", dropout=1.0), "dropout"),
        (first_bag("dan.v2", dropout=-0.1), "dropout"),
        (first_bag("dan.v2", dropout=float("nan")), "dropout"),
    ],
)
def test_impossible_students_are_refused(bag, what):
    targets = BagTargets("gold", None, np.array([0]))
    with pytest.raises(RecipeError, match=what):
        learn(bag, texts_of([3]), targets)


@pytest.mark.parametrize(
    ("is_each", "loss", "what"),
    [
        (False, "huber", "exclude each other.*'mse', 'kl', 'hard', 'gold'.*'huber'"),
        (False, "bce", "exclude each other.*'bce'"),
        (True, "kl", "hold together.*'kl'"),
        (False, "kl", "needs soft targets"),
        (True, "hard", "needs soft targets"),
    ],
)
def test_losses_that_do_not_fit_are_refused(is_each, loss, what):
    soft = None if "soft" in what else np.zeros((1, 3), np.float32)
    with pytest.raises(RecipeError, match=what):
        BagTargets(loss, soft, np.zeros((1, 3)) if is_each else np.array([0]))


def test_a_loss_that_is_no_number_is_said():
    targets = BagTargets("mse", np.full((1, 3), np.nan, np.float32), np.array([-1]))
    with pytest.raises(RecipeError, match=r"no longer finite.*teacher's logits"):
        learn(first_bag("dan.v2"), texts_of([3]), targets)


def test_without_the_extension_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "understudy._fast", None)
    with pytest.raises(MissingExtraError, match="not built"):
        learn(first_bag("dan.v2"), texts_of([3]), BagTargets("gold", None, np.array([0])))
