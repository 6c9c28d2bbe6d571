"""`model.fast`: a bag-of-words student as one flat file, which the C extension maps into memory.

=========  ======  ==================================================================================
byte       type    what (all little-endian)
=========  ======  ==================================================================================
0          8 s     ``UNDRSTDY``
8, 12      u32     version, 1 to 7; bytes of this header, 128
16         u64     bytes of the file, a multiple of 8
24, 32     u64     Fletcher's sums modulo 2^64 of the 64-bit numbers from byte 40 on: of all of them, and of
                   all partial sums
40, 44     u32     student: 1 `cbow`, 2 `dan`; in versions 2 and 6 a weighted bag, 3 without a direct path and
                   4 with one; in version 3 a folded convolution, 5; in version 4 a tagger, 6; in version 5
                   LSTMs, 7; in version 7 matrices, 8; splitting rule: 1 words, 2 pieces, 3 BERT's pieces
48 … 72    u32     vocabulary, width, hidden, labels, max_words (0: all), buckets (of a weighted bag: its
                   n-grams; of matrices: their rows), longest n-gram (of matrices: directions)
76         f32     weight of an n-gram in the mean; of a weighted bag 0
80 … 92    i32     ids: of an unknown word, of a text without words, before and after every text (-1: none)
96, 100    u32     letters of the longest word that is split into pieces; precision of the rows:
                   0 float32, 1 float16, 2 int8
104, 112   u64     where the vocabulary lies, and its bytes: the end of each entry as u32, then their UTF-8
120        u64     where the weights lie: the embedding's rows, the n-grams' rows (times their weight), then
                   weights (in, out) and bias of the hidden and of the output layer; float32, every row padded
                   with zeros to a multiple of 16. Rows of float16 or int8 are padded likewise; after rows
                   of int8 follows the scale of each row (float32, padded to a multiple of 16).
                   `bag_format.py` says what the weights of versions 2 and 6 are, `cnn_format.py` those of
                   version 3, `window_format.py` those of version 4, `lstm_format.py` those of version 5, and
                   `matrix_format.py` those of version 7
=========  ======  ==================================================================================

Rows in float16 or int8 make the file half or a quarter as large. The student's rows are rounded to what these
can hold before any file is written (`round_rows`), so that all files of a folder hold one student.

Hash tables are built when the file is opened: they take no space in it, and no damage can mislead them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.core.task import FloatArray
from understudy.runtime.fast_header import HEADER, HEADER_BYTES, MAGIC, SUMMED_FROM, VERSION
from understudy.runtime.fast_rule import Rule
from understudy.tokenization.words import UNK_ID

LANES = 16
"""A row is padded to a multiple of so many floats."""

TABLES = ("float32", "float16", "int8")
"""Precisions of the rows, by their number in the header."""

STEPS = 127
"""Largest number in a row of int8."""

MOST_HALF = 65504.0
"""Largest float16."""

BAGS = ("linear.v1", "cbow.v2", "dan.v2")
"""Students that are weighted bags of words and exact n-grams: `bag_format.py`."""

CONVOLUTIONS = ("kim-cnn.v1",)
"""Students whose filters are folded into the word table: `cnn_format.py`."""

RECURRENT = ("bilstm.v1",)
"""Students of stacked LSTMs, the first of which is folded into the word table: `lstm_format.py`."""

MATRICES = ("cmow.v1", "hybrid.v1", "bihybrid.v1")
"""Students that multiply their words' matrices: `matrix_format.py`."""

TAGGERS = ("window.v1",)
"""Students whose words are rows that are folded likewise, where they tag words: `window_format.py`."""

FOLDED = (*CONVOLUTIONS, *RECURRENT, *TAGGERS)
"""Students whose rows of words are products, which `model.fast` alone has."""

OF_TEXTS = ("cbow.v1", "dan.v1", *BAGS, *CONVOLUTIONS, *RECURRENT, *MATRICES)
"""Students of texts that the C extension can serve."""

SERVED = (*OF_TEXTS, *TAGGERS)
"""Students that the C extension can serve."""

CBOW, DAN = 1, 2
"""Students by their number in the header."""

MOST_WIDTH, MOST_LABELS, MOST_GRAM = 2048, 4096, 16
"""Widest embedding or hidden layer, most labels, and words in the longest n-gram that C can hold."""

MOST_WORDS, MOST_BUCKETS, MOST_GRAMS = 2**24, 2**28, 2**24
"""Most words of a vocabulary, rows of hashed n-grams, and exact n-grams. All these numbers stand in
`native/student.h`, too."""

MOST_KERNEL, MOST_FILTERS, MOST_UNITS, MOST_LAYERS = 8, 4096, 1024, 8
"""Words that the widest filter may see, filters of all widths together; units of an LSTM in each direction,
and LSTMs on top of each other."""

MOST_SIZE = 64
"""Rows of a word's matrix."""

MOST_SEEN = 15
"""Words that a tagger may see at once, the one that it tags among them."""

MOST_GRAM_WEIGHT = 1e6
"""An n-gram weighs less than this in the mean."""


@dataclass(frozen=True)
class Weights:
    """The weights of a student; the layers' matrices are ``(out, in)``, as in torch.

    Attributes:
        embedding: ``(v, d)``.
        hidden, hidden_bias: ``(h, d)`` and ``(h,)``.
        output, output_bias: ``(c, h)`` and ``(c,)``.
        grams: ``(B, d)``, not yet multiplied by their weight; ``None`` for a student without n-grams.
        longest: Words in the longest n-grams.
        gram_weight: Weight of an n-gram in the mean.
    """

    embedding: FloatArray
    hidden: FloatArray
    hidden_bias: FloatArray
    output: FloatArray
    output_bias: FloatArray
    grams: FloatArray | None = None
    longest: int = 0
    gram_weight: float = 0.0


def beyond_limits(
    *,
    vocabulary: int,
    width: int,
    hidden: int,
    labels: int,
    buckets: int = 0,
    grams: int = 0,
    longest: int = 0,
    gram_weight: float = 0.0,
    filters: int = 0,
    kernel: int = 0,
    units: int = 0,
    layers: int = 0,
    seen: int = 0,
    square: int = 0,
) -> str:
    """Why C can neither serve nor train a student of these sizes, as part of a sentence; empty where it can.

    Args:
        vocabulary: Words or pieces.
        width: Numbers of an embedding.
        hidden: Numbers of the hidden layer.
        labels: Number of labels.
        buckets: Rows of hashed n-grams, 0 for a student without them.
        grams: Exact n-grams, 0 for a student without them.
        longest: Words in the longest n-grams.
        gram_weight: Weight of an n-gram in the mean.
        filters: Filters of all widths, 0 for a student without them.
        kernel: Words that the widest filter sees.
        units: Units of an LSTM in each direction, 0 for a student without them.
        layers: LSTMs on top of each other.
        seen: Words that a tagger sees at once.
        square: Rows of a word's matrix, 0 for a student without them.
    """
    sizes = (
        (vocabulary, MOST_WORDS, "words in its vocabulary"),
        (width, MOST_WIDTH, "numbers in an embedding"),
        (hidden, MOST_WIDTH, "numbers in its hidden layer"),
        (labels, MOST_LABELS, "labels"),
        (buckets, MOST_BUCKETS, "rows of n-grams"),
        (grams, MOST_GRAMS, "n-grams"),
        (longest, MOST_GRAM, "words in its longest n-grams"),
        (filters, MOST_FILTERS, "filters"),
        (kernel, MOST_KERNEL, "words in its widest filters"),
        (units, MOST_UNITS, "units in each direction of its LSTMs"),
        (layers, MOST_LAYERS, "layers"),
        (seen, MOST_SEEN, "words in sight of each"),
        (square, MOST_SIZE, "rows in a word's matrix"),
    )
    for size, most, what in sizes:
        if size > most:
            return f"it has {size:,} {what}, but the C extension holds {most:,} at most"

    if not 0.0 <= gram_weight < MOST_GRAM_WEIGHT:
        return f"its n-grams weigh {gram_weight:g}, but the C extension takes weights from 0 to a million"
    return ""


def round_rows(rows: FloatArray, table: str) -> FloatArray:
    """Rows ``(n, d)`` as a table of this precision returns them; rounding them again changes nothing."""
    if table == "float32":
        return rows
    if table == "float16":
        return halves(rows).astype(np.float32)
    numbers, steps = in_steps(rows)
    return numbers.astype(np.float32) * steps[:, None]


def pack(rule: Rule, weights: Weights, table: str = "float32") -> bytes:
    """The file's bytes, the rows of words and n-grams in one of `TABLES`."""
    n, width = weights.embedding.shape
    hidden, labels = len(weights.hidden), len(weights.output)
    grams = np.zeros((0, width), np.float32) if weights.grams is None else weights.grams

    tables = (weights.embedding, grams * np.float32(weights.gram_weight))
    layers = (
        weights.hidden.T,
        weights.hidden_bias[None],
        weights.output.T,
        weights.output_bias[None],
    )
    floats = b"".join((*(table_bytes(rows, table) for rows in tables), *map(padded, layers)))
    sizes = (n, width, hidden, labels, rule.max_words, len(grams), weights.longest, weights.gram_weight)
    return assemble(rule, CBOW if weights.grams is None else DAN, sizes, table, floats)


def assemble(
    rule: Rule,
    student: int,
    sizes: tuple[int, int, int, int, int, int, int, float],
    table: str,
    floats: bytes,
    *,
    version: int = VERSION,
) -> bytes:
    """A whole file, of what its header says of the student, and its weights.

    Args:
        rule: How text becomes ids.
        student: Its number.
        sizes: What stands from byte 48 to byte 79.
        table: One of `TABLES`.
        floats: All weights.
        version: Version of the file.
    """
    encoded = [word.encode() for word in rule.words]
    ends = np.cumsum([len(word) for word in encoded], dtype="<u4")
    texts = ends.tobytes() + b"".join(encoded)

    floats_at = -(-(HEADER_BYTES + len(texts)) // 64) * 64
    size = floats_at + len(floats)
    facts = (
        *(student, rule.kind, *sizes),
        *(rule.unknown, UNK_ID, rule.before, rule.after, rule.longest_word, TABLES.index(table)),
        *(HEADER_BYTES, len(texts), floats_at),
    )

    parts = (texts, bytes(floats_at - HEADER_BYTES - len(texts)), floats)
    head = HEADER.pack(MAGIC, version, HEADER_BYTES, size, 0, 0, *facts)
    sums = checksum(b"".join((head, *parts)))
    return b"".join((HEADER.pack(MAGIC, version, HEADER_BYTES, size, *sums, *facts), *parts))


def checksum(file: bytes) -> tuple[int, int]:
    """Fletcher's two sums of a whole file, modulo 2^64."""
    numbers = np.frombuffer(file, dtype="<u8", offset=SUMMED_FROM)
    times = np.arange(len(numbers), 0, -1, dtype=np.uint64)
    return int(numbers.sum(dtype=np.uint64)), int((numbers * times).sum(dtype=np.uint64))


def table_bytes(rows: FloatArray, table: str) -> bytes:
    """Rows ``(n, d)`` as they lie in a file, the scales of int8 behind them."""
    numbers, steps = table_parts(rows, table)
    return numbers.tobytes() + (b"" if steps is None else padded(steps[None]))


def table_parts(rows: FloatArray, table: str) -> tuple[npt.NDArray[Any], FloatArray | None]:
    """Padded rows ``(n, d)`` in the precision of a table, and the scales ``(n,)`` of int8."""
    if table == "float32":
        return pad(rows), None
    if table == "float16":
        return pad(halves(rows), "<f2"), None
    numbers, steps = in_steps(rows)
    return pad(numbers, "i1"), steps.astype("<f4")


def halves(rows: FloatArray) -> npt.NDArray[np.float16]:
    """Rows in float16; what is beyond its range is its largest number."""
    return np.clip(rows, -MOST_HALF, MOST_HALF).astype(np.float16)


def in_steps(rows: FloatArray) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """Rows as whole numbers ``(n, d)``, and the scale of each row ``(n,)``."""
    steps = np.abs(rows).max(axis=1, initial=0.0).astype(np.float32) / np.float32(STEPS)
    return counted(rows, steps[:, None]), steps


def counted(rows: FloatArray, steps: FloatArray) -> npt.NDArray[np.int8]:
    """How many steps, ``(n, 1)`` or ``(d,)``, each number ``(n, d)`` is, rounded; a step of 0 counts as 1."""
    return np.clip(np.rint(rows / np.where(steps > 0, steps, 1)), -STEPS, STEPS).astype(np.int8)


def pad(rows: npt.NDArray[Any], dtype: npt.DTypeLike = "<f4", multiple: int = LANES) -> npt.NDArray[Any]:
    """Rows ``(…, d)`` with zeros behind them, up to a multiple of so many numbers."""
    width = rows.shape[-1]
    wide = np.zeros((*rows.shape[:-1], width + -width % multiple), dtype=dtype)
    wide[..., :width] = rows
    return wide


def padded(rows: npt.NDArray[Any]) -> bytes:
    """The same as bytes of float32."""
    return pad(rows).tobytes()
