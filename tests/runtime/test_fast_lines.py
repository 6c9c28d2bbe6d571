"""Lines to lines in one call of the C extension. `make sanitize` runs this file, too."""

import fast_cases
import numpy as np
import pytest
from fast_cases import LABELS, LEVELS, TEXTS, weights

from understudy.runtime.fast_format import pack
from understudy.runtime.fast_rule import rule_of

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")
vocabularies, file = fast_cases.vocabularies, fast_cases.file  # fixtures

HEADS = tuple(f"{label}|".encode() for label in LABELS)
LINES = [text.encode("utf-8", "ignore").decode().replace("\n", " ") for text in TEXTS]  # no half surrogates


def student(vocabulary, level=2):
    return extension.Student(
        pack(rule_of(vocabulary), weights(len(vocabulary))), LABELS, vocabulary.encode, level
    )


def expected(one, lines):
    """The same from logits, in numpy."""
    logits = np.empty((len(lines), len(LABELS)), dtype=np.float32)
    one.fill(lines, logits)
    shares = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares = (shares / shares.sum(axis=1, keepdims=True)).max(axis=1)
    return list(zip(one.labels(lines), shares, lines, strict=True))


def read(answers):
    rows = [line.split("\t", 1) for line in answers.decode().split("\n")[:-1]]
    return [(*head.split("|"), text) for head, text in rows]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("threads", [1, 3])
def test_lines_are_answered_like_texts(vocabularies, level, threads):
    one = student(vocabularies["words"], level)
    lines = [line for line in LINES if line.isascii()] * 900 + ["", "\0", "x" * 5000]
    assert len(lines) > 4096  # more than one group
    answers = one.answer_lines("".join(f"{line}\n" for line in lines).encode(), HEADS, threads)
    for (label, share, text), (wanted, exact, line) in zip(read(answers), expected(one, lines), strict=True):
        assert (label, text) == (wanted, line)
        assert len(share) == len("0.1234")
        assert abs(float(share) - exact) < 0.5e-4 + 1e-6  # rounded, from a sum of floats


def test_a_line_for_the_reference_leaves_the_block_to_it(vocabularies):
    one = student(vocabularies["bert"])
    left = [text for text in LINES if one.answer_lines(f"{text}\n".encode(), HEADS) is None]
    assert left, "no text of these is left to the reference"
    assert one.answer_lines(f"good\n{left[0]}\n".encode(), HEADS) is None
    assert one.answer_lines(b"good\n", HEADS) is not None


def test_no_lines_have_no_answers(vocabularies):
    assert student(vocabularies["words"]).answer_lines(b"", HEADS) == b""


@pytest.mark.parametrize(
    ("block", "heads", "kind", "message"),
    [
        (b"no end", HEADS, ValueError, "does not end with a newline"),
        (
            b"one\n",
            HEADS[1:],
            ValueError,
            f"Expected {len(LABELS)} heads, one a label, got {len(LABELS) - 1}",
        ),
        (b"one\n", LABELS, TypeError, "bytes"),
        (b"one\n", list(HEADS), TypeError, "tuple"),
        ("one\n", HEADS, TypeError, "bytes"),
    ],
)
def test_what_does_not_fit_is_refused(vocabularies, block, heads, kind, message):
    with pytest.raises(kind, match=message):
        student(vocabularies["words"]).answer_lines(block, heads)
