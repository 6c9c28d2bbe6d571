from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.data.labels import Labelled
from understudy.data.leakage import normalise, normalise_pair
from understudy.data.splits import check_fractions, split_rows
from understudy.errors import DataError, RecipeError

FRACTIONS = {"dev": 0.1, "test": 0.2}


def distinct(**counts):
    """``counts`` texts for each label, all different."""
    pairs = [(f"{label} {n}", label) for label, count in counts.items() for n in range(count)]
    return Labelled([text for text, _ in pairs], [label for _, label in pairs])


@given(
    st.integers(3, 80), st.integers(3, 80), st.floats(0.01, 0.6), st.floats(0.01, 0.35), st.integers(0, 99)
)
def test_parts_cover_all_rows_and_are_stratified(a, b, dev, test, seed):
    data = distinct(a=a, b=b)
    parts = split_rows(data, {"dev": dev, "test": test}, seed, "f").rows
    assert sorted(row for rows in parts.values() for row in rows) == list(range(a + b))
    for label, count in (("a", a), ("b", b)):
        tally = {part: sum(data.labels[row] == label for row in rows) for part, rows in parts.items()}
        assert all(tally.values())
        for part, fraction in (("dev", dev), ("test", test)):
            assert tally[part] <= max(1, fraction * count + 0.5)
        if count * min(dev, test, 1 - dev - test) >= 1:
            assert abs(tally["dev"] - dev * count) <= 0.5 + 1e-9
            assert abs(tally["test"] - test * count) <= 0.5 + 1e-9


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ab")), min_size=20, max_size=60),
    st.integers(0, 99),
)
def test_a_split_makes_no_leak(pairs, seed):
    fixed = [(f"{label} {n}", label) for label in "ab" for n in range(3)]
    shown = [("Text  %d" if n % 2 else "text %d ") % number for n, (number, _) in enumerate(pairs)]
    data = Labelled(
        shown + [text for text, _ in fixed], [label for _, label in pairs] + [label for _, label in fixed]
    )
    parts = split_rows(data, FRACTIONS, seed, "f").rows
    sides = {part: {normalise(data.texts[row]) for row in rows} for part, rows in parts.items()}
    assert not sides["train"] & sides["dev"]
    assert not sides["train"] & sides["test"]
    assert not sides["dev"] & sides["test"]
    assert all(sides.values())


def test_the_seed_decides():
    data = distinct(a=50, b=50)
    assert split_rows(data, FRACTIONS, 1, "f") == split_rows(data, FRACTIONS, 1, "f")
    assert split_rows(data, FRACTIONS, 1, "f") != split_rows(data, FRACTIONS, 2, "f")


def test_shares_are_what_was_asked_for():
    sizes = {
        part: len(rows) for part, rows in split_rows(distinct(a=70, b=30), FRACTIONS, 0, "f").rows.items()
    }
    assert sizes == {"train": 70, "dev": 10, "test": 20}


def test_many_equal_texts_do_not_swell_a_part():
    data = Labelled(
        ["same"] * 50 + [f"a {n}" for n in range(50)] + [f"b {n}" for n in range(50)],
        ["a"] * 100 + ["b"] * 50,
    )
    parts = split_rows(data, {"dev": 0.1, "test": 0.1}, 0, "f").rows
    assert Counter(data.texts[row] for row in parts["train"])["same"] == 50
    assert len(parts["dev"]) == len(parts["test"]) == 15


def test_every_part_gets_a_text_even_where_none_fits():
    texts = [f"a {n // 20}" for n in range(60)] + [f"b {n}" for n in range(60)]
    parts = split_rows(Labelled(texts, ["a"] * 60 + ["b"] * 60), {"dev": 0.1, "test": 0.1}, 0, "f").rows
    assert all(
        len({texts[row] for row in rows if texts[row].startswith("a")}) == 1 for rows in parts.values()
    )


def test_rare_labels_stay_in_train():
    data = distinct(a=10, b=10, odd=2)
    parts = split_rows(data, FRACTIONS, 0, "f")
    assert parts.rare == ("odd",)
    assert {20, 21} <= set(parts.rows["train"])


def test_three_rows_are_too_few():
    parts = "train, dev and test: at least two labels need 3 different texts each"
    with pytest.raises(
        DataError, match=rf"f has 3 rows, too few to split into {parts}.* 'a' has 2, 'b' has 1\."
    ):
        split_rows(distinct(a=2, b=1), FRACTIONS, 0, "f")
    with pytest.raises(
        DataError, match="split into train and dev: at least two labels need 2 different texts each"
    ):
        split_rows(distinct(a=2, b=1), {"dev": 0.1}, 0, "f")


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_fractions_outside_0_and_1_are_refused(fraction):
    with pytest.raises(RecipeError, match="dev_fraction must lie between 0 and 1"):
        check_fractions({"dev": fraction, "test": 0.1})


def test_fractions_must_leave_something_for_train():
    with pytest.raises(RecipeError, match=r"add up to 1\.1: nothing is left for train"):
        check_fractions({"dev": 0.5, "test": 0.6})


def test_rows_without_one_label_each_are_split_at_random():
    data = Labelled([f"t {n}" for n in range(100)], [float(n) for n in range(100)])
    parts = split_rows(data, FRACTIONS, 0, "f", stratified=False)
    assert {part: len(rows) for part, rows in parts.rows.items()} == {"train": 70, "dev": 10, "test": 20}
    assert parts.rare == ()
    with pytest.raises(DataError, match=r"f has 1 row, too few .* each part needs a different text"):
        split_rows(data.pick([0]), {"dev": 0.1}, 0, "f", stratified=False)


def test_equal_pairs_stay_together_in_either_order():
    pairs = [(str(n), "z") for n in range(30)]
    data = Labelled(pairs + [(second, first) for first, second in pairs], ["x", "y"] * 30)
    parts = split_rows(data, FRACTIONS, 0, "f", normaliser=normalise_pair).rows
    assert all({(row + 30) % 60 for row in rows} == set(rows) for rows in parts.values())
