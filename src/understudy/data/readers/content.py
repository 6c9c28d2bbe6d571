"""What the first bytes of a file say it is, where its name promises text."""

from __future__ import annotations

from pathlib import Path

from understudy.errors import DataError

START = 4096
"""Bytes that are looked at."""

_SIGNATURES = (
    (b"PK\x03\x04", "a zip archive (as .xlsx files are)", "Unpack it, or save the table as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Excel or Word file of the old kind", "Save the table as CSV"),
    (b"\x1f\x8b", "packed by gzip", "Give its name the ending .gz"),
    (b"BZh91AY&SY", "packed by bzip2", "Unpack it"),
    (b"\xfd7zXZ\x00", "packed by xz", "Unpack it"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd", "Unpack it"),
    (b"PAR1\x15", "a Parquet file", "Give its name the ending .parquet"),
    (b"%PDF-", "a PDF document", "Save its text as TXT or CSV"),
)
"""First bytes, what they mean, and what to do."""

_FEWEST_FOR_UTF16 = 16
_SHARE_OF_ZEROS = 0.6


def check_is_text(path: Path, start: bytes) -> None:
    """Refuse a file whose first bytes are those of a packed or binary file, or of UTF-16.

    Args:
        path: The file, for the message.
        start: Its first bytes, unpacked where its name ends in ``.gz``; `START` of them are enough.

    Raises:
        DataError: says what the file is and what to do.
    """
    for signature, what, advice in _SIGNATURES:
        if start.startswith(signature):
            raise DataError(f"{path} is {what}, although its name promises text. {advice}.")
    if _looks_like_utf16(start):
        raise DataError(
            f"{path} looks like UTF-16, not UTF-8. Save the file as UTF-8, for example with "
            "`iconv -f utf-16le -t utf-8`."
        )


def _looks_like_utf16(start: bytes) -> bool:
    """Whether most of every second byte is 0, as in UTF-16 of Latin letters, with or without its mark."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    if len(start) < _FEWEST_FOR_UTF16:
        return False
    return any(part.count(0) > _SHARE_OF_ZEROS * len(part) for part in (start[0::2], start[1::2]))
