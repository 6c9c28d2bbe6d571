"""JSON from files that anybody may have written: whatever is wrong with it becomes one kind of error."""

from __future__ import annotations

import json
import sys
from typing import Any


class JsonError(ValueError):
    """A text is not JSON that can be used.

    Attributes:
        line: Number of the line, from 1, where reading stopped; ``None`` where that is not known.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


def parse_json(text: str | bytes) -> Any:
    """The value that a JSON text stands for.

    Raises:
        JsonError: the text is not JSON, not UTF-8, nested too deeply, or has an integer of too many digits.
    """
    try:
        return json.loads(text if isinstance(text, str) else text.decode("utf-8"))
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON ({error.msg}, column {error.colno})", error.lineno) from error
    except UnicodeDecodeError as error:
        raise JsonError(f"byte 0x{error.object[error.start]:02x} is not UTF-8") from error
    except RecursionError as error:
        raise JsonError("JSON nested too deeply to be read") from error
    except ValueError as error:  # Python refuses to convert such integers, since that takes too long
        digits = sys.get_int_max_str_digits()
        raise JsonError(f"an integer of more than {digits:,} digits") from error
