import pytest
import torch

from understudy.errors import RecipeError
from understudy.optim.layer_losses import States, attention_loss, hidden_loss, layer_loss, layer_map, scores

REAL = torch.tensor([[1, 1, 0]])


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_layers_are_spread_evenly_and_the_last_meets_the_last():
    assert layer_map(4, 12) == (0, 3, 6, 9, 12)
    assert layer_map(2, 6) == (0, 3, 6)
    assert layer_map(4, 6) == (0, 2, 3, 5, 6)
    assert layer_map(1, 1) == (0, 1)


@pytest.mark.parametrize(("student", "teacher"), [(3, 2), (0, 2)])
def test_a_deeper_student_is_refused(student, teacher):
    with pytest.raises(RecipeError, match=f"student of {student} layers.*teacher of {teacher}"):
        layer_map(student, teacher)


def test_hidden_loss_by_hand():
    # two real tokens, widths 1 → 2 by the map (1, 2): (1, 2) against (1, 0): (0 + 4) / 2 = 2;
    # (3, 6) against (0, 6): (9 + 0) / 2 = 4.5; the mean is 3.25, and the padding does not count
    student = numbers([[1.0], [3.0], [100.0]])
    teacher = numbers([[1.0, 0.0], [0.0, 6.0], [0.0, 0.0]])
    found = hidden_loss(student, teacher, REAL, numbers([1.0, 2.0]))
    assert found.tolist() == [3.25]
    assert hidden_loss(teacher, teacher, REAL).tolist() == [0.0]


def test_hidden_loss_without_a_map_needs_one_shape():
    with pytest.raises(RecipeError, match=r"\(1, 3, 1\).*\(1, 3, 2\).*vocabulary 'teacher'"):
        hidden_loss(torch.zeros(1, 3, 1), torch.zeros(1, 3, 2), REAL)


def test_attention_loss_by_hand():
    # two heads, four real pairs of three tokens: errors 1, 0, 0, 4 and 0, 0, 0, 3²: (1 + 4 + 9) / (2 · 4)
    zero = torch.zeros(1, 2, 3, 3)
    other = zero.clone()
    other[0, 0, 0, 0], other[0, 0, 1, 1], other[0, 1, 1, 1] = 1.0, -2.0, 3.0
    other[0, :, 2, :] = other[0, :, :, 2] = 50.0  # padding, as key and as query
    assert attention_loss(other, zero, REAL).tolist() == [14 / 8]


def test_other_numbers_of_heads_are_averaged_first():
    one, two = torch.zeros(1, 1, 3, 3), torch.zeros(1, 2, 3, 3)
    two[0, 0, 0, 0], two[0, 1, 0, 0] = 1.0, 3.0  # mean 2: an error of 4, in four pairs
    assert attention_loss(one, two, REAL).tolist() == [1.0]
    two[0, 1, 0, 0] = -1.0
    assert attention_loss(two, one, REAL).tolist() == [0.0]


def test_scores_give_back_what_stood_before_the_softmax():
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64)
    real = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    hidden = before.masked_fill(real[:, None, None, :] == 0, -torch.inf)
    found = scores(torch.softmax(hidden, dim=-1), real)
    first = before[0] - before[0].mean(dim=-1, keepdim=True)
    torch.testing.assert_close(found[0], first)
    second = before[1, ..., :2] - before[1, ..., :2].mean(dim=-1, keepdim=True)
    torch.testing.assert_close(found[1, ..., :2], second)
    assert (found[1, ..., 2:] == 0).all()


def some_states(layers, heads, width, seed=0, tokens=5):
    generator = torch.Generator().manual_seed(seed)
    hidden = tuple(torch.randn(2, tokens, width, generator=generator) for _ in range(layers + 1))
    raw = [torch.randn(2, heads, tokens, tokens, generator=generator) for _ in range(layers)]
    return States(hidden, tuple(torch.softmax(one, dim=-1) for one in raw))


def test_imitation_adds_up_its_parts():
    student, teacher = some_states(2, 2, 3), some_states(4, 4, 6, seed=1)
    real = torch.ones(2, 5)
    maps = [torch.randn(3, 6, generator=torch.Generator().manual_seed(n)) for n in range(3)]
    expected = sum(
        hidden_loss(student.hidden[own], teacher.hidden[other], real, maps[own])
        for own, other in ((0, 0), (1, 2), (2, 4))
    ) + sum(
        attention_loss(scores(student.attentions[own], real), scores(teacher.attentions[other], real), real)
        for own, other in ((0, 1), (1, 3))
    )
    torch.testing.assert_close(layer_loss(student, teacher, real, maps), expected)


def test_a_copy_costs_nothing_and_gradients_reach_student_and_maps_alone():
    states = some_states(2, 2, 4)
    assert layer_loss(states, states, torch.ones(2, 5)).tolist() == [0.0, 0.0]
    student, teacher = some_states(1, 2, 3, seed=2), some_states(2, 2, 4)
    for tensor in (*student.hidden, *student.attentions, *teacher.hidden, *teacher.attentions):
        tensor.requires_grad_()
    weight = torch.ones(3, 4, requires_grad=True)
    layer_loss(student, teacher, torch.ones(2, 5), [weight, weight]).sum().backward()
    assert all(tensor.grad.abs().max() > 0 for tensor in (weight, *student.hidden, *student.attentions))
    assert all(tensor.grad is None for tensor in (*teacher.hidden, *teacher.attentions))


def test_padding_does_not_count():
    student, teacher = some_states(2, 2, 4, seed=3), some_states(2, 2, 4, seed=4)
    real = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])

    def spoilt(states):
        hidden = tuple(one.masked_fill(real[:, :, None] == 0, 99.0) for one in states.hidden)
        gone = [one.masked_fill(real[:, None, :, None] == 0, 0.5) for one in states.attentions]
        return States(hidden, tuple(one.masked_fill(real[:, None, None, :] == 0, 0.7) for one in gone))

    torch.testing.assert_close(
        layer_loss(spoilt(student), teacher, real), layer_loss(student, spoilt(teacher), real)
    )
