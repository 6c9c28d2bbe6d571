"""`model.fast`: what is written is read, and what is damaged or hostile is refused."""

import gc
import resource
import struct
from dataclasses import replace

import fast_cases
import numpy as np
import pytest
from fast_cases import LABELS, refuse, weights
from forged_files import forge

from understudy.runtime import fast_format
from understudy.runtime.fast_format import (
    MOST_LABELS,
    MOST_WIDTH,
    beyond_limits,
    checksum,
    pack,
)
from understudy.runtime.fast_header import HEADER_BYTES
from understudy.runtime.fast_rule import rule_of
from understudy.tokenization.words import SPECIALS, WordVocabulary

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")
file = fast_cases.file  # fixtures


def test_forging_nothing_is_no_change(file):
    assert forge(file) == file
    assert extension.Student(file, LABELS, refuse).encode("good bad") == [3, 4]


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "magic": [b"UNDRSTUD"],
        "version": [0, 2],
        "header": [0, 127, 2**32 - 1],
        "size": [0, 2**63, 8],
        "student": [0, 2, 3],
        "rule": [0, 4, 2**32 - 1],
        "vocabulary": [0, 1, 5, 7, 2**24 + 1, 2**32 - 1],
        "width": [0, 1, 17 + 16, MOST_WIDTH + 1, 2**32 - 1],
        "hidden": [0, 1, 10, MOST_WIDTH + 1, 2**31],
        "labels": [0, 2, 4, 17, MOST_LABELS + 1, 2**32 - 1],
        "buckets": [1, 2, 2**32 - 1],
        "table": [1, 2, 3, 2**32 - 1],
        "unknown": [-1, 6, 2**31 - 1],
        "empty": [-1, 6],
        "before": [-2, 6],
        "after": [-2, 6],
        "texts_at": [0, 120, 129, 2**64 - 8, 2**63],
        "texts_bytes": [0, 23, 2**64 - 8, 2**63, 10**6],
        "floats_at": [0, 128, 130, 2**64 - 64, 2**63],
    }.items(),
)
def test_impossible_facts_are_refused(file, field, values):
    for value in values:
        with pytest.raises(ValueError, match=r"it|its|this|is|are"):
            extension.Student(forge(file, **{field: value}), LABELS, refuse)


@pytest.mark.parametrize("end", [2**32 - 1, 10**6, 0])
def test_words_that_lie_outside_are_refused(file, end):
    for at in range(6):
        altered = bytearray(file)
        altered[HEADER_BYTES + 4 * at : HEADER_BYTES + 4 * at + 4] = struct.pack("<I", end)
        try:
            extension.Student(forge(bytes(altered)), LABELS, refuse).encode("good bad [PAD] " + "x" * 30)
        except ValueError as error:
            assert "vocabulary" in str(error)  # noqa: PT017
        else:
            assert end == 0
            assert at in (0, 1)  # the words before the first one may be empty


def test_a_word_named_twice_is_refused():
    rule = replace(rule_of(WordVocabulary(SPECIALS)), words=(*SPECIALS, "a", "a"))
    with pytest.raises(ValueError, match="names a word twice"):
        extension.Student(pack(rule, weights(5)), LABELS, refuse)


def test_ngrams_without_end_are_refused():
    rule = rule_of(WordVocabulary((*SPECIALS, "a")))
    grams = np.ones((5, 20), np.float32)
    right = pack(rule, weights(4, grams=grams, longest=3, gram_weight=0.5))
    assert extension.Student(right, LABELS, refuse).label("a a a a") in LABELS
    for changes in (
        {"longest": 1}, {"longest": 17}, {"weight": float("nan")}, {"weight": -1.0}, {"buckets": 1},
        {"buckets": 0}, {"buckets": 6}, {"student": 1},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="it"):
            extension.Student(forge(right, **changes), LABELS, refuse)


@pytest.mark.parametrize("limit", ["MOST_WIDTH", "MOST_LABELS", "MOST_GRAM", "MOST_WORDS", "MOST_BUCKETS"])
def test_the_limits_are_those_of_c(limit):
    assert getattr(fast_format, limit) == getattr(extension, limit)


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize(
    ("what", "most"),
    [("width", MOST_WIDTH), ("hidden", MOST_WIDTH), ("labels", MOST_LABELS), ("longest", 16)],
)
def test_what_is_beyond_the_limits_is_what_c_refuses(what, most, more):
    sizes = {"width": 3, "hidden": 4, "labels": 2, "longest": 2} | {what: most + more}
    grams = np.ones((5, sizes["width"]), np.float32)
    w = weights(4, sizes["width"], sizes["hidden"], sizes["labels"])
    w = replace(w, grams=grams, longest=sizes["longest"], gram_weight=0.5)
    labels = tuple(map(str, range(sizes["labels"])))
    made = pack(rule_of(WordVocabulary((*SPECIALS, "a"))), w)
    why = beyond_limits(vocabulary=4, **sizes, buckets=5, gram_weight=0.5)
    if not more:
        assert why == ""
        assert extension.Student(made, labels, refuse).label("a a") in labels
        return
    assert f"{most + 1:,}" in why
    with pytest.raises(ValueError, match=r"impossible|too long"):
        extension.Student(made, labels, refuse)


@pytest.mark.parametrize("weight", [-0.1, 1e6, float("nan")])
def test_a_weight_of_ngrams_that_c_refuses_is_beyond_the_limits(weight):
    assert "n-grams weigh" in beyond_limits(
        vocabulary=4, width=1, hidden=1, labels=2, buckets=5, longest=2, gram_weight=weight
    )


def test_a_truncated_file_is_refused(file):
    for end in [*range(300), *range(300, len(file), 37), len(file) - 1]:
        with pytest.raises(ValueError, match=r"short|truncated"):
            extension.Student(file[:end], LABELS, refuse)
    with pytest.raises(ValueError, match="truncated"):
        extension.Student(file + b"\0" * 8, LABELS, refuse)


def test_every_altered_byte_is_noticed(file):
    for at in [*range(HEADER_BYTES + 60), *range(HEADER_BYTES, len(file), 13)]:
        altered = bytearray(file)
        altered[at] ^= 1 << (at % 8)
        with pytest.raises(ValueError, match=r"it|its"):
            extension.Student(bytes(altered), LABELS, refuse)


def test_forged_headers_never_crash(file):
    rng = np.random.default_rng(0)
    accepted = 0
    extremes = [0, 1, 2, 3, 5, 6, 15, 16, 17, 64, 127, 128, 2**16, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 64]
    for _ in range(4000):
        altered = bytearray(file)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(40, HEADER_BYTES + 24)) & ~3
            value = int(rng.choice(extremes[: rng.integers(1, len(extremes))])) & 0xFFFFFFFF
            altered[at : at + 4] = struct.pack("<I", value)
        head, size = bytes(altered[:HEADER_BYTES]), 24
        sums = checksum(bytes(altered))
        made = head[:size] + struct.pack("<QQ", *sums) + bytes(altered[40:])
        try:
            core = extension.Student(made, LABELS, lambda text: [1])
        except ValueError:
            continue
        accepted += 1
        core.labels(["good bad", "x" * 20, "", "[PAD] é"])
    assert accepted > 10


def test_a_file_for_other_labels_is_refused(file):
    with pytest.raises(ValueError, match="3 labels, but the task names 2"):
        extension.Student(file, ("a", "b"), refuse)


def test_a_misaligned_file_is_refused(file):
    padded = bytearray(b"\0" + file)
    with pytest.raises(ValueError, match="aligned"):
        extension.Student(memoryview(padded)[1:], LABELS, refuse)


def test_what_is_opened_or_refused_is_freed(file):
    big = pack(rule_of(WordVocabulary((*SPECIALS, "good"))), weights(4, 1000, 1000))
    bad = big[:-8] + b"12345678"
    before = None
    for turn in range(300):
        extension.Student(bytes(big), LABELS, refuse).labels(["good" * 1000])
        with pytest.raises(ValueError, match="altered"):
            extension.Student(bytearray(bad), LABELS, refuse)
        if turn == 50:
            gc.collect()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    )  # KiB; 300 leaks were 1,200,000
