from dataclasses import replace

import numpy as np
import pytest

from understudy.augment.rules import passes as module
from understudy.augment.rules.eda import EdaConfig
from understudy.augment.rules.mask_swap_ngram import MaskingConfig, tang_rule
from understudy.augment.rules.passes import sides, step_seed, step_seeds, variants


def flat(lists):
    return [item for items in lists for item in items]


def shout(sentences):
    """A rule that writes the pass's number behind the first word of every text with words."""

    def change(generator, number):
        wide = sentences.with_words([f"#{number}"])
        flat = wide.flat.copy()
        flat[wide.starts[wide.lengths > 0]] = len(sentences.words)
        return replace(wide, flat=flat), sentences.lengths > 0

    return change


def test_every_pass_varies_every_text():
    made = list(variants(["a b", "", "c"], shout, passes=2, seed=0))
    assert made == [["#0 b", "#0"], ["#1 b", "#1"]]


def test_pairs_change_one_side_then_the_other_then_both():
    made = flat(variants([("a b", "c d"), ("e", "")], shout, passes=4, seed=0))
    assert made == [
        ("#0 b", "c d"), ("#0", ""),
        ("a b", "#1 d"),
        ("#2 b", "#2 d"), ("#2", ""),
        ("#1 b", "c d"), ("#1", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("operations", [1, 2, 3, 4])
def test_what_a_rule_does_in_turn_meets_every_side(operations):
    turns = []

    def spy(sentences):
        return lambda _, number: (turns.append(number % operations), (sentences, sentences.lengths < 0))[1]

    list(variants([("a b", "c d")], spy, passes=3 * operations, seed=0))
    first, second, both = turns[::4], turns[1::4], turns[2::4]  # of both, each side is asked
    assert sorted(first) == sorted(second) == sorted(both) == list(range(operations))
    assert turns[3::4] == both


def test_the_usual_passes_over_pairs_leave_no_operation_of_eda_out():
    config, pairs = EdaConfig(synonyms=None), [("a b c d e f", "g h i j k l")]
    asked = []

    def spy(sentences):
        return lambda _, number: (asked.append(number % 4), (sentences, sentences.lengths < 0))[1]

    list(variants(pairs, spy, passes=config.passes, seed=0))
    assert set(asked) == set(range(len(config.operations)))


def test_the_side_that_is_held_fixed_stays_to_the_letter():
    made = flat(variants([("a  B\tc", " D ")], shout, passes=2, seed=0))
    assert made == [("#0 B c", " D "), ("a  B\tc", "#1")]


def test_blocks_draw_from_seeds_of_their_own(monkeypatch):
    texts = [f"{a} {b} {c}" for a in "abcd" for b in "efgh" for c in "ijkl"]
    rule = tang_rule(MaskingConfig(p=0.5).rules)
    monkeypatch.setattr(module, "BLOCK", 16)
    whole = list(variants(texts, rule, passes=2, seed=5))
    parts = [
        items
        for number in range(4)
        for items in variants(texts[16 * number :][:16], rule, passes=2, seed=5, first_block=number)
    ]
    assert whole == parts
    assert flat(variants(texts, rule, passes=2, seed=6)) != flat(whole)


def test_steps_have_seeds_of_their_own():
    assert step_seed(0, "masking") == step_seed(0, "masking")
    assert len({step_seed(seed, name) for seed in (0, 1) for name in ("masking", "eda")}) == 4


@pytest.mark.parametrize(
    ("items", "columns"),
    [([], ((),)), (["a"], (("a",),)), ([("a", "b"), ("c", "d")], (("a", "c"), ("b", "d")))],
)
def test_items_are_columns(items, columns):
    assert sides(items) == columns


def test_masking_is_fast(sentences):
    """Far below what it does: it fails where someone brings back a loop over words."""
    import time

    texts = sentences * 100
    started = time.process_time()
    made = sum(map(len, variants(texts, tang_rule(MaskingConfig().rules), passes=5, seed=0)))
    assert made / (time.process_time() - started) > 20_000
    assert np.isclose(made / (5 * len(texts)), 0.58, atol=0.2)


def test_the_first_step_of_a_name_keeps_its_seed_and_later_ones_get_others():
    names = ["masking", "eda", "masking", "masking"]
    seeds = step_seeds(7, names)
    assert seeds[:2] == [step_seed(7, "masking"), step_seed(7, "eda")]
    assert step_seed(0, "masking") == 219667235079776  # the seed of recipes that are older than this rule
    assert len(set(seeds)) == len(names)
    assert step_seeds(7, ["masking", "masking"]) == [seeds[0], seeds[2]]
