"""`model.fast` of students of matrices: what is damaged or hostile is refused."""

import struct

import numpy as np
import pytest
from fast_cases import LABELS, refuse
from forged_files import check_altered, check_truncated, forge, forged_at_random, summed
from matrix_cases import matrices, packed

from understudy.runtime.fast_format import MOST_LABELS, MOST_SIZE, MOST_WIDTH, TABLES, beyond_limits
from understudy.runtime.fast_header import HEADER, HEADER_BYTES

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")


@pytest.fixture(scope="module", params=TABLES)
def table(request):
    return request.param


@pytest.fixture(scope="module", params=[0, 7])
def file(request, table):
    return packed(matrices(width=6, directions=2, hidden=request.param), table)


def test_forging_nothing_is_no_change(file):
    assert forge(file) == file
    assert extension.Student(file, LABELS, refuse).encode("good bad") == [6, 7]


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "version": [0, 1, 2, 3, 4, 5, 6, 8],
        "student": [0, 1, 2, 3, 4, 5, 6, 7, 9],
        "vocabulary": [0, 1, 9, 11, 2**32 - 1],
        "width": [22, MOST_WIDTH + 1, 2**31, 2**32 - 1],
        "hidden": [17, 32, MOST_WIDTH, MOST_WIDTH + 1, 2**31, 2**32 - 1],
        "labels": [0, 2, 17, MOST_LABELS + 1, 2**32 - 1],
        "buckets": [0, 1, 4, 6, MOST_SIZE, MOST_SIZE + 1, 2**16, 2**31, 2**32 - 1],
        "longest": [0, 1, 3, 2**16, 2**32 - 1],
        "weight": [0.5, -1.0, float("nan")],
        "table": [3],
    }.items(),
)
def test_impossible_facts_are_refused(file, field, values):
    facts = HEADER.unpack(file[:HEADER_BYTES])
    for value in values:
        if field == "labels" and value == 2 and facts[10]:
            continue  # with a layer it is as large as 3, by padding
        with pytest.raises(ValueError, match=r"^it |^its "):
            extension.Student(
                forge(file, **{field: value}), LABELS[: value if field == "labels" else 3], refuse
            )


def test_a_truncated_file_is_refused(file):
    check_truncated(file, lambda part: extension.Student(part, LABELS, refuse))


def test_every_altered_byte_is_noticed(file):
    check_altered(file, lambda other: extension.Student(other, LABELS, refuse))


def test_forged_files_never_crash(file):
    extremes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1]
    opened = forged_at_random(file, lambda each: extension.Student(each, LABELS, lambda text: [1]), extremes)
    assert opened > 10


@pytest.mark.parametrize("level", [0, 1, 2])
def test_weights_that_are_not_numbers_never_crash(file, level):
    """Infinities and NaN where the file has floats: an answer may be anything, also not a number."""
    start = HEADER.unpack(file[:HEADER_BYTES])[-1]
    rng = np.random.default_rng(0)
    for bits in (0x7F800000, 0xFF800000, 0x7FC00000, 0x7F7FFFFF, 0x80808080):
        changed = bytearray(file)
        for at in rng.choice(np.arange(start, len(file) - 4, 4), 100):
            changed[at : at + 4] = struct.pack("<I", bits)
        core = extension.Student(summed(changed), LABELS, refuse, level)
        assert len(core.logits("good bad the film")) == 3


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize(
    ("sizes", "what", "said"),
    [
        ({"size": MOST_SIZE}, "size", "square"),
        ({"width": MOST_WIDTH}, "width", "width"),
        ({"hidden": MOST_WIDTH}, "hidden", "hidden"),
        ({"labels": MOST_LABELS}, "labels", "labels"),
    ],
)
def test_what_is_beyond_the_limits_is_what_c_refuses(sizes, what, said, more):
    sizes = {"size": 3, "width": 2, "hidden": 0, "labels": 3} | sizes
    sizes[what] += more
    weights = matrices(**sizes, directions=2)
    labels = tuple(map(str, range(len(weights.output_bias))))
    told = {
        "width": sizes["width"],
        "hidden": sizes["hidden"],
        "labels": len(labels),
        "square": sizes["size"],
    }
    assert bool(beyond_limits(vocabulary=10, **told)) == bool(more)
    if not more:
        assert extension.Student(packed(weights, "int8"), labels, refuse).label("good good bad") in labels
        return
    with pytest.raises(ValueError, match="impossible"):
        extension.Student(packed(weights, "int8"), labels, refuse)


def test_c_and_python_have_the_same_limits():
    assert extension.MOST_SIZE == MOST_SIZE
