"""Files of students with other facts in their head, and right sums all the same."""

import struct

import numpy as np
import pytest

from understudy.runtime.fast_format import checksum
from understudy.runtime.fast_header import HEADER, HEADER_BYTES

FIELDS = (
    *(
        "magic",
        "version",
        "header",
        "size",
        "sum",
        "sums",
        "student",
        "rule",
        "vocabulary",
        "width",
        "hidden",
    ),
    *("labels", "max_words", "buckets", "longest", "weight", "unknown", "empty", "before", "after"),
    *("longest_word", "table", "texts_at", "texts_bytes", "floats_at"),
)


def summed(file):
    """A file whose sums are right."""
    sums = struct.pack("<QQ", *checksum(bytes(file)))
    return bytes(file[:24]) + sums + bytes(file[40:])


def forge(file, **changes):
    """A file with other facts in its header, and sums that are right for them."""
    facts = dict(zip(FIELDS, HEADER.unpack(file[:HEADER_BYTES]), strict=True))
    facts.update(changes)
    facts.update(
        zip(("sum", "sums"), checksum(HEADER.pack(*facts.values()) + file[HEADER_BYTES:]), strict=True)
    )
    return HEADER.pack(*facts.values()) + file[HEADER_BYTES:]


def truncated(file):
    """The file, cut off at many places."""
    return [file[:end] for end in [*range(0, len(file), 61), len(file) - 1]]


def altered(file):
    """The file with one bit changed: in each byte of the head and of the end, and in many between."""
    for at in [*range(HEADER_BYTES), *range(HEADER_BYTES, len(file), 13), *range(len(file) - 300, len(file))]:
        other = bytearray(file)
        other[at] ^= 1 << (at % 8)
        yield bytes(other)


def check_truncated(file, open_file):
    """No part of a file is opened."""
    for part in truncated(file):
        with pytest.raises(ValueError, match=r"short|truncated"):
            open_file(part)


def check_altered(file, open_file):
    """No file with an altered byte is opened."""
    for other in altered(file):
        with pytest.raises(ValueError, match=r"it|its"):
            open_file(other)


HEAD = range(40, HEADER_BYTES + 44, 4)
"""Where the numbers of a head lie that say what is in the file, and the first ones behind it."""


def ask_labels(core):
    core.labels(["good bad the film was good", "x" * 20, "", "[PAD] é"])


def forged_at_random(file, open_file, extremes, places=HEAD, ask=ask_labels):
    """Ask students of files with random numbers at some places; how many were opened, and none may crash."""
    rng = np.random.default_rng(0)
    accepted = 0
    for _ in range(3000):
        changed = bytearray(file)
        for at in rng.choice(places, rng.integers(1, 4)):
            changed[at : at + 4] = struct.pack("<I", int(rng.choice(extremes)))
        try:
            core = open_file(summed(changed))
        except ValueError:
            continue
        accepted += 1
        ask(core)
    return accepted
