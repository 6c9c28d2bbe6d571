"""`model.fast` of a folded convolution: what is damaged or hostile is refused."""

import pytest
from cnn_cases import convolution, packed
from fast_cases import LABELS, refuse
from forged_files import check_altered, check_truncated, forge, forged_at_random

from understudy.runtime.cnn_format import ABREAST
from understudy.runtime.fast_format import (
    MOST_FILTERS,
    MOST_KERNEL,
    MOST_LABELS,
    TABLES,
    beyond_limits,
)

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")


@pytest.fixture(scope="module", params=TABLES)
def file(request):
    return packed(convolution(), request.param)


def test_forging_nothing_is_no_change(file):
    assert forge(file) == file
    assert extension.Student(file, LABELS, refuse).encode("good bad") == [6, 7]


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "version": [0, 1, 2, 4],
        "student": [0, 1, 2, 3, 4, 6],
        "vocabulary": [0, 1, 9, 11, 2**32 - 1],
        "width": [0, 11, MOST_FILTERS, MOST_FILTERS + 1, 2**31, 2**32 - 1],
        "hidden": [0, 6, 9, 2**31, 2**32 - 1],
        "labels": [0, 2, 17, MOST_LABELS + 1, 2**32 - 1],
        "buckets": [1, 2**32 - 1],
        "longest": [0, 2, 4, 6, MOST_KERNEL + 1, 2**32 - 1],
        "weight": [0.5, -1.0, float("nan")],
        "table": [3],
    }.items(),
)
def test_impossible_facts_are_refused(file, field, values):
    for value in values:
        with pytest.raises(ValueError, match=r"^it |^its "):
            extension.Student(forge(file, **{field: value}), LABELS, refuse)


def test_a_truncated_file_is_refused(file):
    check_truncated(file, lambda part: extension.Student(part, LABELS, refuse))


def test_every_altered_byte_is_noticed(file):
    check_altered(file, lambda other: extension.Student(other, LABELS, refuse))


def test_forged_files_never_crash(file):
    extremes = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 16, 31, 32, 33, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1]
    opened = forged_at_random(file, lambda each: extension.Student(each, LABELS, lambda text: [1]), extremes)
    assert opened > 10


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize(
    ("sizes", "what"),
    [
        ({"filters": MOST_FILTERS, "narrowest": 1, "widest": 1}, "filters"),
        ({"filters": 3, "narrowest": MOST_KERNEL - 2, "widest": MOST_KERNEL}, "widest"),
        ({"filters": 3, "labels": MOST_LABELS}, "labels"),
    ],
)
def test_what_is_beyond_the_limits_is_what_c_refuses(sizes, what, more):
    sizes = sizes | {what: sizes[what] + more}
    weights = convolution(**sizes)
    labels = tuple(map(str, range(len(weights.output_bias))))
    every = weights.count * len(weights.filters)
    why = beyond_limits(
        vocabulary=10, width=0, hidden=0, labels=len(labels), filters=every, kernel=weights.widest
    )
    assert bool(why) == bool(more)
    if not more:
        assert extension.Student(packed(weights), labels, refuse).label("good good bad") in labels
        return
    with pytest.raises(ValueError, match=r"impossible|too many words"):
        extension.Student(packed(weights), labels, refuse)


def test_c_and_python_have_the_same_limits():
    found = extension.MOST_KERNEL, extension.MOST_FILTERS, extension.ABREAST
    assert found == (MOST_KERNEL, MOST_FILTERS, ABREAST)
