"""`model.fast` of stacked LSTMs: what is damaged or hostile is refused."""

import struct

import numpy as np
import pytest
from fast_cases import LABELS, refuse
from forged_files import check_altered, check_truncated, forge, forged_at_random, summed
from lstm_cases import packed, stack

from understudy.runtime.fast_format import (
    MOST_LABELS,
    MOST_LAYERS,
    MOST_UNITS,
    TABLES,
    beyond_limits,
)
from understudy.runtime.fast_header import HEADER, HEADER_BYTES

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")


@pytest.fixture(scope="module", params=TABLES)
def file(request):
    return packed(stack(), request.param)


def test_forging_nothing_is_no_change(file):
    assert forge(file) == file
    assert extension.Student(file, LABELS, refuse).encode("good bad") == [6, 7]


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "version": [0, 1, 2, 3, 4, 6],
        "student": [0, 1, 2, 3, 4, 5, 6, 8],
        "vocabulary": [0, 1, 9, 11, 2**32 - 1],
        "width": [1, 6, 2**31, 2**32 - 1],
        "hidden": [0, 17, 32, MOST_UNITS, MOST_UNITS + 1, 2**31, 2**32 - 1],
        "labels": [0, 2, 17, MOST_LABELS + 1, 2**32 - 1],
        "buckets": [1, 2**32 - 1],
        "longest": [0, 1, 3, MOST_LAYERS + 1, 2**32 - 1],
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


def test_a_weight_whose_opposite_is_no_byte_is_refused():
    file = packed(stack(units=16, layers=1), "int8")
    first = HEADER.unpack(file[:HEADER_BYTES])[-1] + 10 * 128 + 4 * 16  # behind the rows and their steps
    for at in (first, first + 16 * 64 - 1, first + 16 * 64 + 4 * 64):  # of either direction
        changed = bytearray(file)
        changed[at] = 0x80
        with pytest.raises(ValueError, match="out of range"):
            extension.Student(summed(changed), LABELS, refuse)


def test_forged_files_never_crash(file):
    extremes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1]
    opened = forged_at_random(file, lambda each: extension.Student(each, LABELS, lambda text: [1]), extremes)
    assert opened > 10


@pytest.mark.parametrize("table", ["float32", "int8"])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_weights_that_are_not_numbers_never_crash(table, level):
    """Infinities and NaN where the file has floats: an answer may be anything, also not a number."""
    file = packed(stack(units=16), table)
    start = HEADER.unpack(file[:HEADER_BYTES])[-1]
    rng = np.random.default_rng(0)
    for bits in (0x7F800000, 0xFF800000, 0x7FC00000, 0x7F7FFFFF):
        changed = bytearray(file)
        places = np.arange(start + (10 * 128 if table == "int8" else 0), len(file) - 4, 4)
        for at in rng.choice(places, 200):
            changed[at : at + 4] = struct.pack("<I", bits)
        try:
            core = extension.Student(summed(changed), LABELS, refuse, level)
        except ValueError:
            continue  # a byte of -128
        assert len(core.logits("good bad the film")) == 3


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize(
    ("sizes", "what"),
    [
        ({"units": MOST_UNITS, "layers": 1}, "units"),
        ({"units": 3, "layers": MOST_LAYERS}, "layers"),
        ({"units": 3, "labels": MOST_LABELS}, "labels"),
    ],
)
def test_what_is_beyond_the_limits_is_what_c_refuses(sizes, what, more):
    sizes = sizes | {what: sizes[what] + more}
    weights = stack(**sizes)
    labels = tuple(map(str, range(len(weights.output_bias))))
    why = beyond_limits(
        vocabulary=10, width=0, hidden=0, labels=len(labels), units=weights.units, layers=len(weights.layers)
    )
    assert bool(why) == bool(more)
    if not more:
        assert extension.Student(packed(weights, "int8"), labels, refuse).label("good good bad") in labels
        return
    with pytest.raises(ValueError, match="impossible"):
        extension.Student(packed(weights, "int8"), labels, refuse)


def test_c_and_python_have_the_same_limits():
    assert (extension.MOST_UNITS, extension.MOST_LAYERS) == (MOST_UNITS, MOST_LAYERS)
