"""`model.fast` of a weighted bag: what is damaged or hostile is refused."""

from dataclasses import replace

import numpy as np
import pytest
from bag_cases import FORMS, bag, packed, words
from fast_cases import LABELS, refuse
from forged_files import HEAD, altered, check_altered, check_truncated, forge, forged_at_random, truncated

from understudy.runtime.bag_format import APART, TOGETHER
from understudy.runtime.fast_format import (
    MOST_GRAM,
    MOST_GRAMS,
    MOST_LABELS,
    MOST_WIDTH,
    TABLES,
    beyond_limits,
)
from understudy.runtime.fast_header import HEADER, HEADER_BYTES

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")


@pytest.fixture(scope="module", params=FORMS)
def file(request):
    return packed(words(), bag(request.param, 10, 30, 3))


def test_forging_nothing_is_no_change(file):
    assert forge(file) == file
    assert extension.Student(file, LABELS, refuse).encode("good bad") == [6, 7]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("form", FORMS)
def test_both_versions_answer_alike(form, table):
    weights = bag(form, 10, 30, 3)
    ids = [3, 4, 5, 3, 9, 1]
    found = [
        extension.Student(packed(words(), weights, table, version), LABELS, refuse).logits_of_ids(ids)
        for version in (APART, TOGETHER)
    ]
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-5)  # compilers may add up in another order


@pytest.mark.parametrize("version", [APART, TOGETHER])
@pytest.mark.parametrize("form", FORMS)
def test_the_other_version_is_checked_as_well(form, version):
    made = packed(words(), bag(form, 10, 30, 3), "int8", version)
    for other in (*truncated(made), *altered(made), forge(made, version=8 - version)):
        with pytest.raises(ValueError, match=r"it|its"):
            extension.Student(other, LABELS, refuse)


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "version": [0, 1, 3, 4, 7],
        "student": [0, 1, 2, 5],
        "vocabulary": [0, 1, 9, 11, 2**32 - 1],
        "width": [1, 17 + 16, MOST_WIDTH + 1, 2**32 - 1],
        "hidden": [1, 10, 17, MOST_WIDTH + 1, 2**31],
        "labels": [0, 2, 17, MOST_LABELS + 1, 2**32 - 1],
        "buckets": [29, 31, MOST_GRAMS, MOST_GRAMS + 1, 2**32 - 1],
        "longest": [0, MOST_GRAM + 1, 2**32 - 1],
        "weight": [0.5, -1.0, float("nan")],
        "table": [1, 2, 3],
    }.items(),
)
def test_impossible_facts_are_refused(file, field, values):
    for value in values:
        with pytest.raises(ValueError, match=r"^it |^its "):
            extension.Student(forge(file, **{field: value}), LABELS, refuse)


def test_a_bag_without_a_direct_path_is_none_with_one():
    for form, other in (("cbow.v2", 4), ("dan.v2", 3), ("linear.v1", 3)):
        made = packed(words(), bag(form, 10, 30, 3))
        with pytest.raises(ValueError, match=r"fill it|impossible width"):
            extension.Student(forge(made, student=other), LABELS, refuse)


def with_grams(grams, longest=3):
    weights = bag("dan.v2", 10, len(grams), longest, first=0)
    return packed(words(), replace(weights, grams=np.array(grams, np.int64).astype(np.int32)))


@pytest.mark.parametrize(
    ("grams", "why"),
    [
        ([(3, 4), (11, 4)], "prolongs what is not there"),  # itself
        ([(12, 4), (3, 4)], "prolongs what is not there"),  # a later one
        ([(3, 10), (3, 4)], "prolongs what is not there"),  # by an n-gram
        ([(3, 4), (-1, 4)], "prolongs what is not there"),
        ([(3, 4), (3, -1)], "prolongs what is not there"),
        ([(3, 4), (3, 4)], "an n-gram twice"),
        ([(3, 4), (10, 4), (10, 4)], "an n-gram twice"),
        ([(3, 4), (10, 4), (11, 5)], "longer than it says"),
    ],
)
def test_ngrams_that_cannot_be_are_refused(grams, why):
    with pytest.raises(ValueError, match=why):
        extension.Student(with_grams(grams), LABELS, refuse)


def test_as_many_ngrams_as_words_allow_are_found():
    every = [(a, b) for a in range(10) for b in range(10)]
    assert extension.Student(with_grams(every, 2), LABELS, refuse).label("good bad good") in LABELS


def test_ngrams_of_one_word_are_refused():
    made = packed(words(), bag("dan.v2", 10, 5, 2))
    with pytest.raises(ValueError, match="longer than it says"):
        extension.Student(forge(made, longest=1), LABELS, refuse)


@pytest.mark.parametrize("square", [-1.0, float("nan"), float("inf"), 1e13])
def test_a_square_that_is_none_is_refused(square):
    weights = bag("linear.v1", 10, 5, 2)
    weights.squares[12] = square
    with pytest.raises(ValueError, match="square of a weight"):
        extension.Student(packed(words(), weights), LABELS, refuse)


def test_a_truncated_file_is_refused(file):
    check_truncated(file, lambda part: extension.Student(part, LABELS, refuse))


def test_every_altered_byte_is_noticed(file):
    check_altered(file, lambda other: extension.Student(other, LABELS, refuse))


def test_forged_files_never_crash(file):
    """Numbers of the header and of the table of n-grams, replaced by others."""
    extremes = [0, 1, 2, 3, 9, 10, 16, 17, 39, 40, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1]
    grams = HEADER.unpack(file[:HEADER_BYTES])[13]
    places = [*HEAD, *range(len(file) - 8 * (grams + 3), len(file), 4)]

    def open_file(each):
        return extension.Student(each, LABELS, lambda text: [1])

    assert forged_at_random(file, open_file, extremes, places) > 10


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize(
    ("what", "most"),
    [("width", MOST_WIDTH), ("hidden", MOST_WIDTH), ("labels", MOST_LABELS), ("longest", MOST_GRAM)],
)
def test_what_is_beyond_the_limits_is_what_c_refuses(what, most, more):
    sizes = {"width": 3, "hidden": 4, "labels": 2, "longest": 2} | {what: most + more}
    made = packed(words(), bag("dan.v2", 10, 5, **sizes))
    labels = tuple(map(str, range(sizes["labels"])))
    why = beyond_limits(vocabulary=10, grams=5, **sizes)
    if not more:
        assert why == ""
        assert extension.Student(made, labels, refuse).label("good good bad") in labels
        return
    assert f"{most + 1:,}" in why
    with pytest.raises(ValueError, match=r"impossible|too long"):
        extension.Student(made, labels, refuse)


def test_too_many_ngrams_are_beyond_the_limits():
    assert extension.MOST_GRAMS == MOST_GRAMS
    why = beyond_limits(vocabulary=10, width=1, hidden=1, labels=2, grams=MOST_GRAMS + 1, longest=2)
    assert "16,777,217 n-grams" in why
