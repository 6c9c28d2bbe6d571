"""Files of students with other facts in their head, and right sums all the same."""

import struct

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
