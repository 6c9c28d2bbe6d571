"""Files of students with other facts in their head, and right sums all the same."""

import struct

from understudy.runtime.fast_format import checksum
from understudy.runtime.fast_header import HEADER_BYTES

FIELDS = {
    name: 40 + 4 * place
    for place, name in enumerate(
        (
            "student",
            "rule",
            "vocabulary",
            "width",
            "hidden",
            "labels",
            "max_words",
            "grams",
            "longest",
            "weight",
        )
    )
} | {"version": 8, "table": 100}


def summed(file):
    """A file whose sums are right."""
    sums = struct.pack("<QQ", *checksum(bytes(file)))
    return bytes(file[:24]) + sums + bytes(file[40:])


def forge(file, **changes):
    altered = bytearray(file)
    for name, value in changes.items():
        altered[FIELDS[name] : FIELDS[name] + 4] = struct.pack("<f" if name == "weight" else "<I", value)
    return summed(altered)


def truncated(file):
    """The file, cut off at many places."""
    return [file[:end] for end in [*range(0, len(file), 61), len(file) - 1]]


def altered(file):
    """The file with one bit changed: in each byte of the head and of the end, and in many between."""
    for at in [*range(HEADER_BYTES), *range(HEADER_BYTES, len(file), 13), *range(len(file) - 300, len(file))]:
        other = bytearray(file)
        other[at] ^= 1 << (at % 8)
        yield bytes(other)
