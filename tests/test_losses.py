import math

import numpy as np
import pytest
import torch

from understudy.configs import LOSSES, LossConfig
from understudy.errors import RecipeError
from understudy.losses import SOFT, balanced_weights, combined, gold, hard, kl, mse


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
    value = combined(z, t, torch.tensor([1]), LossConfig(name))
    value.backward()
    assert value.isfinite()
    assert z.grad.isfinite().all()


def test_balanced_weights_by_hand():
    # four labelled texts, three labels: 4 / (3·3), 4 / (3·1), none
    found = balanced_weights(np.array([0, 0, -1, 1, 0, -1]), 3)
    assert found.dtype == torch.float32
    assert found.tolist() == pytest.approx([4 / 9, 4 / 3, 0.0])


def test_balanced_weights_of_balanced_labels_are_one():
    assert balanced_weights(np.array([1, 0, 0, 1]), 2).tolist() == [1.0, 1.0]


def test_balanced_weights_without_any_label_are_zero():
    assert balanced_weights(np.array([-1, -1]), 2).tolist() == [0.0, 0.0]


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
    found = combined(Z, T, Y, config)
    assert found.shape == ()
    assert found.item() == pytest.approx(expected)


def test_the_mix_with_a_temperature_by_hand():
    config = LossConfig("kl", temperature=2.0, alpha=0.5)
    # z/2 and t/2: softmax(0, ln √3) and its mirror image: KL = (√3 - 1)/(√3 + 1) · ln √3, times T² = 4
    root = math.sqrt(3)
    soft = 4 * (root - 1) / (root + 1) * math.log(root)
    assert combined(Z, T, Y, config).item() == pytest.approx(((math.log(4) + soft) / 2 + soft) / 2)


def test_class_weights_touch_the_gold_part_alone():
    weights = rows([3, 1])[0]
    found = combined(Z, T, Y, LossConfig("mse", alpha=0.25), weights)
    assert found.item() == pytest.approx(((3 * math.log(4) / 4 + LN3**2 * 3 / 4) + LN3**2) / 2)
    assert combined(Z, T, Y, LossConfig("gold"), weights).item() == pytest.approx(3 * math.log(4) / 2)
    assert combined(Z, T, Y, LossConfig("mse"), weights).item() == pytest.approx(LN3**2)


def test_gold_needs_no_teacher():
    assert combined(Z, None, Y, LossConfig("gold")).item() == pytest.approx(math.log(4) / 2)
    assert [LossConfig(name).needs_teacher for name in LOSSES] == [True] * len(SOFT) + [False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "ms"}, "Did you mean 'mse'"),
        ({"name": "kld"}, "Did you mean 'kl'"),
        ({"name": "cross_entropy"}, "Known: 'gold', 'hard', 'kl', 'mse'"),
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
        ({"name": "gold", "alpha": 0.5}, "alpha cannot be honoured"),
        ({"name": "gold", "noise": 0.5}, "noise cannot be honoured"),
        ({"name": "mse", "noise": -0.5}, "noise is -0.5"),
        ({"name": "mse", "noise": math.nan}, "noise is nan"),
    ],
)
def test_refuses_what_it_cannot_honour(options, message):
    with pytest.raises(RecipeError, match=message):
        LossConfig(**options)
