"""The text of a file: gzip undone, UTF-8 checked, a byte order mark left out."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from understudy.data.readers.content import START, check_is_text
from understudy.errors import DataError


def read_text(path: Path) -> str:
    """The whole text of a UTF-8 file; a name that ends in ``.gz`` is unpacked.

    Raises:
        DataError: the file is missing, unreadable, not a whole gzip file, or not text in UTF-8.
    """
    data = read_bytes(path)
    check_is_text(path, data[:START])
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise not_utf8(path, line, data[error.start]) from error
    return text.removeprefix("\ufeff")


def not_utf8(path: Path, line: int, byte: int) -> DataError:
    """The error to raise for a byte that is not UTF-8."""
    return DataError(
        f"{path}, line {line}: byte 0x{byte:02x} is not UTF-8. Save the file as UTF-8, for example with "
        "`iconv -f <its encoding> -t utf-8`."
    )


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, unpacked where its name ends in ``.gz``.

    Raises:
        DataError: the file is missing, unreadable, or not a whole gzip file.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error

    if path.suffix.lower() != ".gz":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is not a whole gzip file: {error}. Compress or download it again."
        ) from error


def split_lines(text: str) -> list[str]:
    r"""Lines without their ends; only ``\n`` and ``\r\n`` end a line."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]
