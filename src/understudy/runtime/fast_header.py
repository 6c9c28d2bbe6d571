"""The head of `model.fast`: where its facts stand. Needs no numpy, so that opening a file is quick.

`fast_format.py` says what each fact means, and writes them.
"""

from __future__ import annotations

import struct

MAGIC, VERSION, HEADER_BYTES = b"UNDRSTDY", 1, 128
HEADER = struct.Struct("<8sIIQQQ 9If4iII QQQ")

SUMMED_FROM = 40
"""The first byte that the sums count."""

SUMS = slice(24, SUMMED_FROM)
"""Where the two sums stand."""

RULE = slice(44, 48)
"""Where the number of the splitting rule stands."""

WORDS, PIECES, BERT = 1, 2, 3
"""Rules of splitting: words, our own pieces, the pieces of an uncased BERT."""


def fingerprint(file: bytes | memoryview) -> str:
    """The sums in a file's head, in hexadecimal: `config.json` names the file by them."""
    return bytes(file[SUMS]).hex()


def reads_like_bert(header: bytes) -> bool:
    """Whether a file's head names the rule of BERT's pieces, which leaves a few texts to a library."""
    return int.from_bytes(header[RULE], "little") == BERT
