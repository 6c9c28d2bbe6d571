"""Files of word vectors: GloVe, fastText and word2vec as text, gzipped or not.

A line is a word and its numbers, with single spaces or tabs between them; word2vec and fastText begin with a
line of two whole numbers, how many words there are and how wide they are.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from understudy.core.task import FloatArray
from understudy.errors import DataError

BoolArray = npt.NDArray[np.bool_]

EXACT, LOWERED = 2, 1
"""How well a word of a file meets a wanted one: a better meeting replaces a worse, never an equal."""

GZIP_MAGIC = b"\x1f\x8b"
"""The first bytes of a gzip file."""

LARGEST = float(np.finfo(np.float32).max)
"""The greatest number that a vector can hold."""


@dataclass(frozen=True)
class Vectors:
    """A vector for some rows of a vocabulary.

    Attributes:
        rows: ``(v, w)`` float32, zeros where there is no vector.
        is_found: ``(v,)`` whether there is a vector.
    """

    rows: FloatArray
    is_found: BoolArray


def read_vectors(path: Path, words: Sequence[str]) -> Vectors:
    """Read the vectors of the wanted words; no other line of the file is kept in memory.

    A word that the file has in capitals alone is found by its lower-case form. Of several lines of one word
    the first counts.

    Args:
        path: Path of the file.
        words: ``v`` wanted words; an empty one wants nothing.

    Raises:
        DataError: the file cannot be read, a line has too few numbers or a field that is not one, or no
            word is found.
    """
    wanted: dict[str, list[int]] = {}
    for row, word in enumerate(words):
        if word:
            wanted.setdefault(word, []).append(row)

    rows, met = np.zeros((len(words), 0), dtype=np.float32), np.zeros(len(words), dtype=np.int8)
    for line in _lines(path):
        if rows.shape[1] == 0:
            rows = np.zeros((len(words), line.width), dtype=np.float32)
        numbers = None
        for meeting, places in _meetings(line.word, wanted):
            if any(met[place] < meeting for place in places):
                numbers = line.numbers() if numbers is None else numbers
                better = [place for place in places if met[place] < meeting]
                rows[better], met[better] = numbers, meeting

    if not met.any():
        raise DataError(
            f"{path} has a vector for none of the {len(wanted):,} words of the vocabulary. Is it of another "
            "language, or is the vocabulary made of pieces of words?"
        )
    return Vectors(rows, met > 0)


def read_first_vectors(path: str | Path, most: int) -> tuple[list[str], FloatArray]:
    """Read the first ``most`` words of a file with their vectors; frequent words come first in such files.

    Returns:
        Words, and their vectors ``(v, w)`` float32.

    Raises:
        DataError: the file is missing, empty or not UTF-8, or a line is not a word with as many numbers as
            the first; by line.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file of word vectors {path}.")

    words: list[str] = []
    rows: list[FloatArray] = []
    for line in itertools.islice(_lines(path), most):
        words.append(line.exact_word())
        rows.append(line.numbers())

    if not words:
        raise DataError(f"{path} holds no word vectors.")
    return words, np.stack(rows)


def _meetings(word: str, wanted: Mapping[str, list[int]]) -> Iterator[tuple[int, list[int]]]:
    """Rows that want a file's word as it stands, and rows that want its lower-case form."""
    if word in wanted:
        yield EXACT, wanted[word]
    lowered = word.lower()
    if lowered != word and lowered in wanted:
        yield LOWERED, wanted[lowered]


@dataclass(frozen=True)
class _Line:
    """A word and its numbers as they stand in a file; the numbers are read when asked for."""

    path: Path
    number: int
    raw: bytes
    separator: bytes
    width: int

    @property
    def word(self) -> str:
        return self._word.decode("utf-8", "replace")

    @property
    def _word(self) -> bytes:
        if self.raw.count(self.separator) == self.width:
            return self.raw.partition(self.separator)[0]
        return self.raw.rsplit(self.separator, self.width)[0]  # GloVe's largest file has words with spaces

    def exact_word(self) -> str:
        """The word to the letter.

        Raises:
            DataError: it is not UTF-8.
        """
        word = self._word
        try:
            return word.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path}, line {self.number}: byte 0x{word[error.start]:02x} is not UTF-8. Save the "
                "file as UTF-8, for example with `iconv -f <its encoding> -t utf-8`."
            ) from error

    def numbers(self) -> FloatArray:
        """``(width,)``.

        Raises:
            DataError: a field is not a finite number.
        """
        fields = self.raw.rsplit(self.separator, self.width)[1:]
        with contextlib.suppress(ValueError):
            values = np.fromiter(map(float, fields), dtype=np.float64, count=len(fields))
            if np.abs(values).max() <= LARGEST:  # false of NaN, too
                return values.astype(np.float32)
        # Only to name the field at fault: one by one takes twice as long.
        return np.array([self._number(place, each) for place, each in enumerate(fields, start=2)], np.float32)

    def _number(self, place: int, text: bytes) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not abs(value) <= LARGEST:
            shown = text[:40].decode("utf-8", "replace")
            raise DataError(
                f"{self.path}, line {self.number}, column {place}: {shown!r} is not a finite number."
            )
        return value


def _lines(path: Path) -> Iterator[_Line]:
    """The file's lines with a vector, the first of which says how wide all are."""
    width, separator = 0, b" "
    for number, read in enumerate(_raw_lines(path), start=1):
        raw = read.rstrip(b"\r\n \t")
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")  # a byte-order mark is not part of a word
            separator = b"\t" if b"\t" in raw else b" "
            fields = raw.split(separator)
            if len(fields) == 2 and all(field.isdigit() for field in fields):
                width = int(fields[1])
                continue
            width = len(fields) - 1

        if not raw:
            continue
        if width < 1 or raw.count(separator) < width:
            raise DataError(
                f"{path}, line {number}: a word and {max(width, 1)} numbers are expected, but there are "
                f"{raw.count(separator)} numbers. Give vectors in the text format of GloVe, fastText or "
                "word2vec; the binary one is not read."
            )
        yield _Line(path, number, raw, separator, width)


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as start:
            is_packed = start.read(2) == GZIP_MAGIC
        with gzip.open(path) if is_packed else path.open("rb") as stream:
            yield from stream
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
