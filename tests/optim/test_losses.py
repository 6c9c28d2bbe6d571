import math

import numpy as np
import pytest
import torch

from understudy.core.configs import LOSSES, LossConfig, check_loss, losses_for
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.optim.losses import (
    HEAVIEST,
    SOFT,
    balanced_weights,
    base_logits,
    bce,
    combined,
    gold,
    hard,
    kl,
    labelled,
    mse,
    start_at,
)

TWO = Task(("a", "b"))
TAGS = Task(("a", "b"), kind="multilabel")
VALUE = Task(("score",), kind="regression", bounds=(0.0, 5.0))
BINS = Task(("0", "1"), kind="regression")


def rows(*values):
    return torch.tensor(values, dtype=torch.float64)


LN3 = math.log(3)
# Student: softmax(0, ln 3) = (1/4, 3/4). Teacher: softmax(ln 3, 0) = (3/4, 1/4).
STUDENT, TEACHER = rows([0.0, LN3]), rows([LN3, 0.0])
# KL = 3/4 · ln((3/4)/(1/4)) + 1/4 · ln((1/4)/(3/4)) = (3/4 - 1/4) · ln 3 = ln 3 / 2
KL = LN3 / 2


def some_logits(seed=0, b=6, c=4):
    generator = torch.Generator().manual_seed(seed)
    pair = torch.randn(2, b, c, generator=generator, dtype=torch.float64)
    return pair[0], pair[1]


def centred(values):
    return values - values.mean(dim=-1, keepdim=True)


def test_mse_by_hand():
    # ((1 - 0)² + (2 - 4)²) / 2 = 2.5;  ((3 - 0)² + 0²) / 2 = 4.5
    found = mse(rows([1, 2], [3, 0]), rows([0, 4], [0, 0]))
    assert found.tolist() == [2.5, 4.5]


def test_kl_by_hand():
    assert kl(STUDENT, TEACHER).tolist() == pytest.approx([KL])


def test_kl_has_the_teacher_first():
    # p = (3/4, 1/4), q = (1/2, 1/2): 3/4 · ln(3/2) + 1/4 · ln(1/2); the other way round it is another number
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    other = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert kl(rows([0, 0]), TEACHER).item() == pytest.approx(expected)
    assert kl(TEACHER, rows([0, 0])).item() == pytest.approx(other)
    assert abs(expected - other) > 0.01


def test_kl_is_summed_over_labels_not_averaged():
    # A third label that neither believes in changes nothing; an average over labels would be 2/3 of it.
    never = rows([-1e3])
    found = kl(torch.cat([STUDENT, never], dim=1), torch.cat([TEACHER, never], dim=1))
    assert found.item() == pytest.approx(KL)


@pytest.mark.parametrize("temperature", [0.5, 2.0, 10.0])
def test_kl_carries_the_square_of_the_temperature(temperature):
    # Logits T times as large give the same probabilities at temperature T, so only T² is left.
    found = kl(temperature * STUDENT, temperature * TEACHER, temperature)
    assert found.item() == pytest.approx(temperature**2 * KL)


def test_kl_goes_to_half_the_mse_of_centred_logits():
    z, t = some_logits()
    limit = mse(centred(z), centred(t)) / 2
    near = kl(z, t, temperature=1e3)
    torch.testing.assert_close(near, limit, rtol=5e-3, atol=0)
    far = kl(z, t, temperature=1.0)
    assert (far - limit).abs().max() > 10 * (near - limit).abs().max()


def gradient(loss, z, t, **options):
    z = z.clone().requires_grad_()
    loss(z, t, **options).sum().backward()
    return z.grad


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_gradient_of_kl_by_formula(temperature):
    # d/dz T² KL(p ‖ q) = T · (q - p)
    z, t = some_logits()
    expected = temperature * (torch.softmax(z / temperature, -1) - torch.softmax(t / temperature, -1))
    torch.testing.assert_close(gradient(kl, z, t, temperature=temperature), expected)


def test_gradients_keep_their_size_at_high_temperatures():
    z, t = some_logits()
    found = gradient(kl, z, t, temperature=1e3)
    torch.testing.assert_close(found, (centred(z) - centred(t)) / z.shape[1], rtol=1e-2, atol=1e-4)
    ratio = found.norm() / gradient(kl, z, t, temperature=1.0).norm()
    assert 1 / 3 < ratio < 3


def test_hard_by_hand():
    # The teacher answers label 0, which the student gives 1/4: -ln(1/4) = ln 4. Its own logits do not matter.
    assert hard(STUDENT, rows([9, 1])).item() == pytest.approx(math.log(4))
    assert hard(STUDENT, rows([9, 8.9])).item() == pytest.approx(math.log(4))
    assert hard(STUDENT, rows([1, 9])).item() == pytest.approx(math.log(4 / 3))


def test_gold_by_hand_and_zero_without_a_label():
    z = STUDENT.repeat(3, 1)
    found = gold(z, torch.tensor([0, 1, -1]))
    assert found.tolist() == pytest.approx([math.log(4), math.log(4 / 3), 0.0])


def test_a_row_without_a_label_has_no_gradient():
    z = STUDENT.repeat(2, 1).requires_grad_()
    gold(z, torch.tensor([0, -1])).sum().backward()
    assert z.grad[0].abs().min() > 0.5
    assert z.grad[1].tolist() == [0.0, 0.0]


def test_gold_with_class_weights_by_hand():
    found = gold(STUDENT.repeat(3, 1), torch.tensor([0, 1, -1]), rows([5, 0.5])[0])
    assert found.tolist() == pytest.approx([5 * math.log(4), math.log(4 / 3) / 2, 0.0])


@pytest.mark.parametrize("loss", [mse, kl])
def test_a_perfect_copy_costs_nothing(loss):
    z, _ = some_logits()
    torch.testing.assert_close(loss(z, z.clone()), torch.zeros(6, dtype=torch.float64))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_finite_at_extreme_logits(name):
    z = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    t = torch.tensor([[-1e4, 1e4, 0.0]])
    kind = "multilabel" if name == "bce" else "classification"
    y = torch.tensor([[0.0, 1.0, 0.0]]) if name == "bce" else torch.tensor([1])
    value = combined(z, t, y, LossConfig(name), Task(("a", "b", "c"), kind=kind))
    value.backward()
    assert value.isfinite()
    assert z.grad.isfinite().all()


def test_balanced_weights_by_hand():
    # four labelled texts, three labels: 4 / (3·3), 4 / (3·1), none
    found = balanced_weights(Task(("a", "b", "c")), np.array([0, 0, -1, 1, 0, -1]))
    assert found.dtype == torch.float32
    assert found.tolist() == pytest.approx([4 / 9, 4 / 3, 0.0])


def test_balanced_weights_of_balanced_labels_are_one():
    assert balanced_weights(TWO, np.array([1, 0, 0, 1])).tolist() == [1.0, 1.0]


def test_balanced_weights_without_any_label_are_zero():
    assert balanced_weights(TWO, np.array([-1, -1])).tolist() == [0.0, 0.0]


# One text with gold label 0, one with none; on both the mse is ((0 - ln 3)² + (ln 3 - 0)²) / 2 = (ln 3)².
Z, T, Y = STUDENT.repeat(2, 1), TEACHER.repeat(2, 1), torch.tensor([0, -1])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LossConfig("mse"), LN3**2),
        (LossConfig("kl"), KL),
        (LossConfig("hard"), math.log(4)),
        (LossConfig("gold"), math.log(4) / 2),  # the text without a label counts as 0
        # 1/4 gold + 3/4 soft for the first text, soft alone for the second
        (LossConfig("mse", alpha=0.25), ((math.log(4) / 4 + LN3**2 * 3 / 4) + LN3**2) / 2),
        (LossConfig("kl", alpha=0.5), ((math.log(4) + KL) / 2 + KL) / 2),
        (LossConfig("hard", alpha=0.5), math.log(4)),
        (LossConfig("mse", alpha=1.0), (math.log(4) + LN3**2) / 2),
    ],
)
def test_the_mix_by_hand(config, expected):
    found = combined(Z, T, Y, config, TWO)
    assert found.shape == ()
    assert found.item() == pytest.approx(expected)


def test_the_mix_with_a_temperature_by_hand():
    config = LossConfig("kl", temperature=2.0, alpha=0.5)
    # z/2 and t/2: softmax(0, ln √3) and its mirror image: KL = (√3 - 1)/(√3 + 1) · ln √3, times T² = 4
    root = math.sqrt(3)
    soft = 4 * (root - 1) / (root + 1) * math.log(root)
    assert combined(Z, T, Y, config, TWO).item() == pytest.approx(((math.log(4) + soft) / 2 + soft) / 2)


def test_class_weights_touch_the_gold_part_alone():
    weights = rows([3, 1])[0]
    found = combined(Z, T, Y, LossConfig("mse", alpha=0.25), TWO, weights=weights)
    assert found.item() == pytest.approx(((3 * math.log(4) / 4 + LN3**2 * 3 / 4) + LN3**2) / 2)
    assert combined(Z, T, Y, LossConfig("gold"), TWO, weights=weights).item() == pytest.approx(
        3 * math.log(4) / 2
    )
    assert combined(Z, T, Y, LossConfig("mse"), TWO, weights=weights).item() == pytest.approx(LN3**2)


def test_gold_needs_no_teacher():
    assert combined(Z, None, Y, LossConfig("gold"), TWO).item() == pytest.approx(math.log(4) / 2)
    assert [LossConfig(name).needs_teacher for name in LOSSES] == [True] * len(SOFT) + [False]
    with pytest.raises(RecipeError, match="'mse' needs soft targets"):
        combined(Z, None, Y, LossConfig("mse"), TWO)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "ms"}, "Did you mean 'mse'"),
        ({"name": "kld"}, "Did you mean 'kl'"),
        ({"name": "cross_entropy"}, "Known: 'auto', 'bce', 'gold', 'hard', 'kl', 'mse'"),
        ({"name": "mse", "temperature": 2.0}, "'mse' has no temperature"),
        ({"name": "hard", "temperature": 2.0}, "'hard' has no temperature"),
        ({"name": "gold", "temperature": 2.0}, "'gold' has no temperature"),
        ({"name": "kl", "temperature": 0.0}, "temperature is 0.0"),
        ({"name": "kl", "temperature": -1.0}, "temperature is -1.0"),
        ({"name": "kl", "temperature": math.nan}, "temperature is nan"),
        ({"name": "kl", "temperature": math.inf}, "temperature is inf"),
        ({"name": "mse", "alpha": -0.1}, "alpha is -0.1"),
        ({"name": "mse", "alpha": 1.1}, "alpha is 1.1"),
        ({"name": "mse", "alpha": math.nan}, "alpha is nan"),
        ({"name": "gold", "alpha": 0.5}, "uses only gold labels, so alpha has no effect"),
        ({"name": "gold", "noise": 0.5}, "so noise has no effect"),
        ({"name": "mse", "noise": -0.5}, "noise is -0.5"),
        ({"name": "mse", "noise": math.nan}, "noise is nan"),
    ],
)
def test_refuses_what_it_cannot_honour(options, message):
    with pytest.raises(RecipeError, match=message):
        LossConfig(**options)


# ------------------------------------------------------------------------------------------- multilabel


NAN = math.nan
# Student: sigmoid(0, ln 3) = (1/2, 3/4). Teacher: sigmoid(ln 3, 0) = (3/4, 1/2).
# H(3/4, 1/2) = ln 2;  H(1/2, 3/4) = -1/2 · ln(3/4) - 1/2 · ln(1/4) = ln 4 - ln 3 / 2
BCE = (math.log(2) + math.log(4) - LN3 / 2) / 2


def test_bce_by_hand():
    assert bce(STUDENT, TEACHER).tolist() == pytest.approx([BCE])


def test_bce_has_the_teacher_as_target():
    # H(1/2, 3/4) and H(3/4, 1/2) differ: a single label shows which side is which.
    assert bce(rows([LN3]), rows([0.0])).item() == pytest.approx(math.log(4) - LN3 / 2)
    assert bce(rows([0.0]), rows([LN3])).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("temperature", [0.5, 2.0, 10.0])
def test_bce_carries_the_square_of_the_temperature(temperature):
    found = bce(temperature * STUDENT, temperature * TEACHER, temperature)
    assert found.item() == pytest.approx(temperature**2 * BCE)


def test_bce_goes_to_an_eighth_of_the_mse():
    z, t = some_logits()
    more = bce(z, t, 1e3) - bce(t, t, 1e3)  # less the teacher's own entropy
    torch.testing.assert_close(more, mse(z, t) / 8, rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_gradient_of_bce_by_formula(temperature):
    z, t = some_logits()
    expected = temperature * (torch.sigmoid(z / temperature) - torch.sigmoid(t / temperature)) / z.shape[1]
    torch.testing.assert_close(gradient(bce, z, t, temperature=temperature), expected)


def test_hard_multilabel_by_hand():
    # The teacher's probabilities are 3/4 and 1/2. From 1/2 both hold: -(ln 1/2 + ln 3/4) / 2.
    both = -(math.log(1 / 2) + math.log(3 / 4)) / 2
    first = -(math.log(1 / 2) + math.log(1 / 4)) / 2
    assert hard(STUDENT, TEACHER, torch.tensor(0.5)).item() == pytest.approx(both)
    assert hard(STUDENT, TEACHER, torch.tensor([0.5, 0.6])).item() == pytest.approx(first)


def test_gold_multilabel_by_hand():
    z = STUDENT.repeat(3, 1).requires_grad_()
    y = torch.tensor([[1.0, 0.0], [NAN, NAN], [0.0, 1.0]])
    found = gold(z, y)
    first, third = (math.log(2) + math.log(4)) / 2, (math.log(2) + math.log(4 / 3)) / 2
    assert found.tolist() == pytest.approx([first, 0.0, third])
    found.sum().backward()
    assert z.grad.isfinite().all()
    assert z.grad[1].tolist() == [0.0, 0.0]
    weighted = gold(z, y, rows([5, 3])[0])
    assert weighted.tolist() == pytest.approx(
        [(5 * math.log(2) + math.log(4)) / 2, 0.0, (math.log(2) + 3 * math.log(4 / 3)) / 2]
    )


def test_balanced_weights_of_multilabel_by_hand():
    # four labelled texts; a holds in one, b in none, c in all
    y = np.array([[1, 0, 1], [0, 0, 1], [NAN] * 3, [0, 0, 1], [0, 0, 1]], dtype=np.float32)
    found = balanced_weights(Task(("a", "b", "c"), kind="multilabel"), y)
    assert found.tolist() == pytest.approx([3.0, 4.0, 1 / HEAVIEST])
    rare = np.zeros((1000, 2), dtype=np.float32)
    rare[0, 0] = 1
    assert balanced_weights(TAGS, rare).tolist() == [HEAVIEST, HEAVIEST]


# -------------------------------------------------------------------------------------------- regression


def test_gold_of_values_by_hand():
    z = rows([0.5], [2.0], [0.25]).requires_grad_()
    found = gold(z, torch.tensor([0.25, NAN, 1.25]))
    assert found.tolist() == pytest.approx([1 / 16, 0.0, 1.0])
    found.sum().backward()
    assert z.grad.flatten().tolist() == pytest.approx([0.5, 0.0, -2.0])


def test_values_have_no_class_weights_and_bins_have():
    with pytest.raises(RecipeError, match="Class weights"):
        balanced_weights(VALUE, np.array([1.0, 2.0], dtype=np.float32))
    # nearest bins 0, 0, 1, none, 0: 4 / (2 · 3) and 4 / (2 · 1)
    values = np.array([0.1, 0.4, 0.9, NAN, 0.0], dtype=np.float32)
    assert balanced_weights(BINS, values).tolist() == pytest.approx([2 / 3, 2.0])


def test_labelled():
    assert labelled(torch.tensor([0, -1])).tolist() == [True, False]
    assert labelled(torch.tensor([0.0, NAN])).tolist() == [True, False]
    assert labelled(torch.tensor([[0.0, 1.0], [NAN, NAN]])).tolist() == [True, False]


@pytest.mark.parametrize(
    ("task", "config", "z", "t", "y", "expected"),
    [
        # 1/4 gold + 3/4 soft in the first row, soft alone in the second
        (TAGS, LossConfig("bce", alpha=0.25), [0.0, LN3], [LN3, 0.0], [1.0, 1.0], BCE),
        (TAGS, LossConfig("mse", alpha=0.25), [0.0, LN3], [LN3, 0.0], [1.0, 1.0], LN3**2),
        (TAGS, LossConfig("gold"), [0.0, LN3], [LN3, 0.0], [1.0, 1.0], None),
        (VALUE, LossConfig("mse", alpha=0.25), [0.5], [1.5], 0.75, 1.0),
        (VALUE, LossConfig("gold"), [0.5], [1.5], 0.75, None),
        (BINS, LossConfig("kl", alpha=0.25), [0.0, LN3], [LN3, 0.0], 0, KL),
        (Task(("O", "B-X"), kind="tagging"), LossConfig("kl", alpha=0.25), [0.0, LN3], [LN3, 0.0], 0, KL),
        (Task(("a", "b"), kind="pair"), LossConfig("mse", alpha=0.25), [0.0, LN3], [LN3, 0.0], 0, LN3**2),
    ],
)
def test_the_mix_of_every_kind(task, config, z, t, y, expected):
    none = torch.from_numpy(task.targets(task.no_gold(1)))
    gold_rows = torch.cat([torch.tensor([y], dtype=none.dtype), none])
    by_hand = {"multilabel": (math.log(2) + math.log(4 / 3)) / 2, "regression": 1 / 16}.get(task.kind)
    by_hand = math.log(4) if by_hand is None or task.is_binned else by_hand
    soft = expected or 0.0  # None: gold alone, which is 0 in the second row
    share = 1 if expected is None else 1 / 4
    expected = (share * by_hand + (1 - share) * soft + soft) / 2
    found = combined(rows(z, z), rows(t, t), gold_rows, config, task)
    assert found.shape == ()
    assert found.item() == pytest.approx(expected)


def test_thresholds_decide_for_the_teacher():
    y = torch.zeros(1, 2)
    strict = Task(("a", "b"), kind="multilabel", thresholds=(0.5, 0.6))
    one, other = (combined(STUDENT, TEACHER, y, LossConfig("hard"), task) for task in (TAGS, strict))
    assert one.item() == pytest.approx(-(math.log(1 / 2) + math.log(3 / 4)) / 2)
    assert other.item() == pytest.approx(-(math.log(1 / 2) + math.log(1 / 4)) / 2)


@pytest.mark.parametrize(
    ("task", "refused", "fitting"),
    [
        (TWO, ("bce",), ("mse", "kl", "hard", "gold")),
        (BINS, ("bce",), ("mse", "kl", "hard", "gold")),
        (TAGS, ("kl",), ("mse", "bce", "hard", "gold")),
        (VALUE, ("kl", "bce", "hard"), ("mse", "gold")),
    ],
)
def test_a_loss_that_does_not_fit_is_refused_and_those_that_fit_named(task, refused, fitting):
    assert losses_for(task) == fitting
    assert set(refused) | set(fitting) == set(LOSSES)
    for name in fitting:
        check_loss(task, LossConfig(name))
    for name in refused:
        with pytest.raises(RecipeError, match=f"'{name}' does not fit") as caught:
            combined(STUDENT, TEACHER, torch.tensor([0]), LossConfig(name), task)
        assert ", ".join(map(repr, fitting)) in str(caught.value)


def test_both_losses_with_a_temperature_take_one():
    assert [LossConfig(name, temperature=2.0).temperature for name in ("kl", "bce")] == [2.0, 2.0]


def test_a_head_starts_with_what_is_known_without_a_text():
    several = Task(("a", "b"), "multilabel")
    labels = np.array([[1, 0], [0, 0], [1, 0], [1, 0], [np.nan, np.nan]], dtype=np.float32)
    found = base_logits(several, labels)
    assert found[0] == pytest.approx(np.log(3))
    assert found[1] == pytest.approx(np.log(1e-4 / (1 - 1e-4)))
    value = Task(("v",), "regression", bounds=(0.0, 4.0))
    assert base_logits(value, np.array([1.0, 3.0, np.nan], dtype=np.float32)).tolist() == [0.5]
    assert base_logits(value, np.array([np.nan], dtype=np.float32)) is None
    assert base_logits(Task(("a", "b")), np.array([0, 1])) is None
    layer = torch.nn.Linear(3, 2)
    start_at(layer, found)
    assert layer(torch.zeros(1, 3))[0].tolist() == pytest.approx(found.tolist())
