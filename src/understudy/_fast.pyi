"""What the C extension offers; `native/python_module.c` and its neighbours are the source."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

Memory = Buffer | npt.NDArray[np.generic]

ENGINE: str
ENGINES: tuple[str, str, str]
"""The kind of processor whose code runs here: portable, avx2 or avx512."""

MOST_WIDTH: int
MOST_LABELS: int
MOST_GRAM: int
MOST_WORDS: int
MOST_BUCKETS: int
MOST_GRAMS: int
MOST_KERNEL: int
MOST_FILTERS: int
ABREAST: int
MOST_UNITS: int
MOST_LAYERS: int
MOST_SIZE: int
MOST_SEEN: int
MOST_ROWS: int
MOST_ENTRY: int

class ArrowTexts:
    """Strings behind the capsules of `__arrow_c_array__`, or of `__arrow_c_stream__`, read in place.

    They are held until this goes. An item is a str; ``None`` where it is null, bytes where it is not UTF-8.

    Raises:
        TypeError: the arrays do not hold strings, or encode them by a dictionary.
        ValueError: an array or a stream is damaged, or was released.
    """

    def __init__(self, schema_or_stream: object, array: object = ..., /) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> str | bytes | None: ...

Texts = Sequence[str] | ArrowTexts

class Student:
    """A `model.fast` in memory that answers texts. It may be shared between threads.

    Raises:
        ValueError: the file is damaged.
        TypeError: a text is not a str, or one of Arrow's is null or not UTF-8; of all that read texts.
    """

    def __init__(
        self,
        file: Memory,
        labels: Sequence[str],
        reference: Callable[[str], list[int]],
        level: int = 2,
    ) -> None: ...
    def label(self, text: str, /) -> str: ...
    def column(self, text: str, /) -> int: ...
    def logits(self, text: str, /) -> list[float]: ...
    def probabilities(self, text: str, /) -> list[float]: ...
    def encode(self, text: str, /) -> list[int]: ...
    def logits_of_ids(self, ids: Sequence[int], /) -> list[float]: ...
    def labels(self, texts: Texts, threads: int = 1, /) -> list[str]: ...
    def columns(self, texts: Texts, out: Memory, threads: int = 1, /) -> None: ...
    def fill(self, texts: Texts, out: Memory, threads: int = 1, /) -> None: ...
    def answer_lines(self, block: bytes, heads: tuple[bytes, ...], threads: int = 1, /) -> bytes | None: ...
    def encode_batch(self, texts: Texts, /) -> tuple[bytearray, bytearray]: ...

class Tagger:
    """A `model.fast` in memory that tags the words of sentences. It may be shared between threads.

    Answers go into a float32 buffer ``(words, labels)`` or an int64 one ``(words,)``. What is returned are
    numbers of sentences that are for the reference path; their rows mean nothing.

    Raises:
        ValueError: the file is damaged, or a buffer has another size.
        TypeError: a sentence is not a tuple or a list of str.
    """

    def __init__(self, file: Memory, labels: int, level: int = 2) -> None: ...
    def fill(
        self, sentences: Sequence[Sequence[str]], out: Memory, chain: Memory | None, threads: int = 1, /
    ) -> list[int]: ...
    def columns(
        self, sentences: Sequence[Sequence[str]], out: Memory, chain: Memory | None, threads: int = 1, /
    ) -> list[int]: ...
    def rows_of(self, word: str, /) -> list[list[int]] | None: ...

def learn_bag(
    arrays: tuple[Memory | None, ...],
    sizes: tuple[int, int, int, int, int],
    is_mse: bool,
    is_each: bool,
    temperature: float,
    alpha: float,
    dropout: float,
    row_rate: float,
    rate: float,
    seed: int,
    level: int,
    /,
) -> float: ...
def learn(
    arrays: tuple[Memory | None, ...],
    sizes: tuple[int, int, int, int],
    is_mse: bool,
    temperature: float,
    alpha: float,
    gram_weight: float,
    rate: float,
    level: int,
    /,
) -> float: ...
def find_windows(
    arrays: tuple[Memory, ...], filters: int, narrowest: int, widest: int, level: int, /
) -> None: ...
def find_products(arrays: tuple[Memory, ...], size: int, ways: int, vector: int, level: int, /) -> None: ...
def follow_states(arrays: tuple[Memory, ...], units: int, first: int, last: int, level: int, /) -> None: ...
def return_states(arrays: tuple[Memory, ...], units: int, first: int, last: int, level: int, /) -> None: ...
def return_windows(
    arrays: tuple[Memory, ...],
    filters: int,
    narrowest: int,
    widest: int,
    width: int,
    first: int,
    last: int,
    level: int,
    /,
) -> None: ...
