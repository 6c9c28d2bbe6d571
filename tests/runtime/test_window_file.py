"""`model.fast` of a tagger: what is damaged or hostile is refused."""

import numpy as np
import pytest
from fast_cases import LABELS, refuse
from forged_files import check_altered, check_truncated, forge, forged_at_random
from window_cases import folded, packed, spelled, tagger

from understudy.runtime.fast_format import MOST_LABELS, MOST_SEEN, MOST_WIDTH, TABLES, beyond_limits
from understudy.runtime.fast_header import HEADER_BYTES

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")
ROWS = len(folded(tagger(spelling=spelled()), spelling=spelled()).entries.words)


@pytest.fixture(scope="module", params=TABLES)
def file(request):
    return packed(tagger(spelling=spelled()), request.param, spelled())


def test_forging_nothing_is_no_change(file):
    assert forge(file) == file
    assert extension.Tagger(file, 3).rows_of("good")


def test_a_file_is_for_one_type_alone(file):
    with pytest.raises(ValueError, match="it tags words, and is for a Tagger"):
        extension.Student(file, LABELS, refuse)


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "version": [0, 1, 2, 3, 5],
        "student": [0, 1, 2, 3, 4, 5, 7],
        "rule": [0, 2, 3, 4],
        "vocabulary": [0, 1, ROWS - 1, ROWS + 1, 2**32 - 1],
        "width": [1, 9, 2**32 - 1],
        "hidden": [0, 33, MOST_WIDTH + 1, 2**31, 2**32 - 1],
        "labels": [0, 2, 17, MOST_LABELS + 1, 2**32 - 1],
        "buckets": [1, 2**32 - 1],
        "longest": [0, 2, 3, 4, 7, MOST_SEEN + 1, MOST_SEEN + 2, 2**32 - 1],
        "weight": [0.5, -1.0, float("nan")],
        "table": [3],
        "unknown": [-1, ROWS, 2**31 - 1],
    }.items(),
)
def test_impossible_facts_are_refused(file, field, values):
    for value in values:
        with pytest.raises(ValueError, match=r"^it |^its "):
            extension.Tagger(forge(file, **{field: value}), 3)


def test_a_truncated_file_is_refused(file):
    check_truncated(file, lambda part: extension.Tagger(part, 3))


def test_every_altered_byte_is_noticed(file):
    check_altered(file, lambda other: extension.Tagger(other, 3))


def test_forged_files_never_crash(file):
    extremes = [*range(8), 9, 10, 15, 16, 31, 32, 33, ROWS, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1]
    sentences = [("good", "The", "U.S.", "x" * 20, "", "é", "walks", "THE"), ("film",) * 70]
    opened = forged_at_random(
        file,
        lambda each: extension.Tagger(each, 3),
        extremes,
        range(40, HEADER_BYTES + 4 * ROWS + 40, 4),
        ask=lambda core: core.fill(sentences, np.empty((78, 3), np.float32), None),
    )
    assert opened > 10


@pytest.mark.parametrize("more", [0, 2])
@pytest.mark.parametrize(
    ("what", "most"), [("seen", MOST_SEEN), ("hidden", MOST_WIDTH), ("labels", MOST_LABELS)]
)
def test_what_is_beyond_the_limits_is_what_c_refuses(what, most, more):
    weights = tagger(**{what: most + more})
    hidden, labels = len(weights.around), len(weights.output)
    why = beyond_limits(vocabulary=10, width=0, hidden=hidden, labels=labels, seen=weights.seen)
    assert bool(why) == bool(more)
    if not more:
        columns = np.empty(2, np.int64)
        assert extension.Tagger(packed(weights), labels).columns([("good", "bad")], columns, None) == []
        return
    with pytest.raises(ValueError, match="impossible"):
        extension.Tagger(packed(weights), labels)
