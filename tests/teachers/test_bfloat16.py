import numpy as np
import pytest
import torch
from torch import nn

from understudy.core.task import Task
from understudy.teachers import bfloat16
from understudy.teachers.bfloat16 import (
    Bfloat16Speed,
    auto_precision,
    bfloat16_speed,
    fallback_note,
    has_instructions,
    largest_move,
    near_ties,
    probe,
    resolved,
    rounded,
    used_precision,
)
from understudy.tokenization.encoding import check_items

TASK = Task(("a", "b", "c"))


class Two(nn.Module):
    """Two layers that remember in what type they answered."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(8, 8), nn.Linear(8, 3)
        self.types = []

    def forward(self, x):
        states = self.body(x)
        logits = self.head(states)
        self.types.append((states.dtype, logits.dtype))
        return logits


def test_products_are_rounded_and_the_last_layer_is_not():
    module, x = Two(), torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        with rounded(module, 3):
            low = module(x)
            states = module.body(x).float()
        expected = nn.functional.linear(states, module.head.weight, module.head.bias)
        full = module(x)
    assert module.types == [(torch.bfloat16, torch.float32), (torch.float32, torch.float32)]
    torch.testing.assert_close(low, expected, rtol=0, atol=0)
    assert 0 < float((low - full).abs().max()) < 0.05


def test_nothing_is_left_behind_by_an_error():
    module = Two()
    with pytest.raises(RuntimeError), rounded(module, 3):
        module(torch.zeros(1, 7))
    assert not module.head._forward_hooks
    assert not torch.is_autocast_enabled("cpu")


def test_near_ties_are_those_whose_two_best_labels_are_close():
    logits = np.array([[3, 1, 2.9], [3, 3.1, -9], [0, 1, 2], [0, 0.25, -1]], np.float32)
    assert near_ties(logits, np.ones(4, np.int64), 0.25).tolist() == [0, 1]
    assert len(near_ties(logits[:0], np.ones(0, np.int64), 0.25)) == 0


def test_a_sequence_is_near_a_tie_where_one_of_its_rows_is():
    logits = np.array([[9, 0, 0], [9, 0, 0], [1, 1.1, 0], [9, 0, 0], [1, 1, 1]], np.float32)
    assert near_ties(logits, np.array([1, 0, 2, 1, 1]), 0.25).tolist() == [2, 4]


def test_a_move_is_that_of_two_logits_against_each_other():
    one = np.array([[1, 2, 3], [0, 0, 0]], np.float32)
    assert largest_move(one, one + 5) == 0
    assert largest_move(one, one + np.array([[0, 0, 0], [0.5, 0, -1]], np.float32)) == 1.5
    assert largest_move(one[:0], one[:0]) == 0


class Tokenizer:
    """Pieces are numbers; the first ten are special."""

    def __len__(self):
        return 50

    def decode(self, pieces, skip_special_tokens):
        return " ".join(str(piece) for piece in pieces if piece >= 10 or not skip_special_tokens)


@pytest.mark.parametrize(
    ("task", "form"),
    [(TASK, str), (Task(("a", "b"), kind="pair"), tuple), (Task(("O", "B-x"), kind="tagging"), tuple)],
)
def test_the_probe_is_of_the_tasks_form_and_always_the_same(task, form):
    items = probe(task, Tokenizer())
    assert items == probe(task, Tokenizer())
    assert len(items) == 32
    assert {type(item) for item in items} == {form}
    check_items(task, items)


# --------------------------------------------------------------------------------------- whether it pays here


@pytest.fixture
def processor(monkeypatch):
    """Sets what is known of the processor; nothing of it is remembered afterwards."""

    def set_known(known):
        monkeypatch.setattr(bfloat16, "has_instructions", lambda: known)
        bfloat16_speed.cache_clear()

    yield set_known
    bfloat16_speed.cache_clear()


def test_both_precisions_are_timed_where_nothing_is_known_of_the_processor(processor):
    processor(None)
    speed = bfloat16_speed()
    assert 0 < speed.float32_ms < 10_000
    assert 0 < speed.bfloat16_ms < 10_000
    assert bfloat16_speed() is speed  # once per process
    assert used_precision("bfloat16") == ("bfloat16" if speed.is_faster else "float32")


@pytest.mark.parametrize(("known", "used"), [(True, "bfloat16"), (False, "float32")])
def test_no_clock_decides_where_the_processor_says_what_it_has(known, used, processor, monkeypatch):
    """Near ties of two timings once made one run fine-tune in bfloat16 and the next in float32."""
    monkeypatch.setattr(bfloat16, "_timed", lambda: pytest.fail("it was timed"))
    processor(known)
    assert used_precision("bfloat16") == used
    assert ("no instructions for it. float32 is used" in fallback_note("bfloat16")) is not known


@pytest.mark.usefixtures("slow_bfloat16")
def test_where_it_is_slower_float32_is_used_and_the_reason_given():
    assert used_precision("bfloat16") == used_precision("float32") == "float32"
    assert "9.0 ms, in float32 1.0 ms. float32 is used instead" in fallback_note("bfloat16")
    assert "no instructions for it" in fallback_note("bfloat16")
    assert fallback_note("float32") == ""


@pytest.mark.usefixtures("fast_bfloat16")
def test_where_it_is_faster_it_is_used():
    assert used_precision("bfloat16") == "bfloat16"
    assert fallback_note("bfloat16") == ""


def test_flags_decide_and_else_the_clock_by_a_clear_margin():
    assert not Bfloat16Speed(has_instructions=False, float32_ms=2.0, bfloat16_ms=1.0).is_faster
    assert Bfloat16Speed(has_instructions=True, float32_ms=1.0, bfloat16_ms=2.0).is_faster
    assert Bfloat16Speed(float32_ms=2.0, bfloat16_ms=1.0).is_faster
    assert not Bfloat16Speed(float32_ms=1.01, bfloat16_ms=1.0).is_faster
    assert not Bfloat16Speed().is_faster
    assert "no instructions" not in Bfloat16Speed(float32_ms=1.0, bfloat16_ms=2.0).sentence


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("model name\t: x\nflags\t\t: fpu avx2 avx512_bf16 amx_tile", True),
        ("flags\t\t: fpu avx2 avx512f", False),
        ("Features\t: fp asimd i8mm bf16", True),
        ("Features\t: fp asimd", False),
        ("nothing of the kind", None),
    ],
)
def test_flags_are_read_where_torch_does_not_know(lines, expected, tmp_path, monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    info = tmp_path / "cpuinfo"
    info.write_text(lines, encoding="utf-8")
    assert has_instructions(info) is expected
    assert has_instructions(tmp_path / "absent") is None


@pytest.mark.parametrize(
    ("known", "expected"),
    [({"avx2": True, "avx512_bf16": False, "amx_bf16": True}, True), ({"bf16": False, "sve": True}, False)],
)
def test_torch_is_asked_first(known, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert has_instructions(tmp_path / "absent") is expected


@pytest.mark.parametrize(("known", "expected"), [(True, "bfloat16"), (False, "float32"), (None, "float32")])
def test_auto_is_bfloat16_where_the_processor_names_instructions_for_it(
    processor, monkeypatch, known, expected
):
    processor(known)
    # The test's own default is taken back, and no clock may decide.
    monkeypatch.setattr(bfloat16, "auto_precision", auto_precision)
    monkeypatch.setattr(bfloat16, "_timed", lambda: pytest.fail("the clock was asked"))
    assert resolved("auto") == used_precision("auto") == expected
    assert fallback_note("auto") == ""


def test_a_precision_that_is_named_is_kept(slow_bfloat16):
    assert resolved("bfloat16") == "bfloat16"
    assert resolved("float32") == "float32"
    assert used_precision("bfloat16") == "float32"
