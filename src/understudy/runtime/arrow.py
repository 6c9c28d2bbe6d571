"""Texts in Arrow arrays: pyarrow's, polars', pandas', and those of others who speak Arrow's C data interface.

An array is handed over as capsules (the Arrow PyCapsule interface), which the C extension reads in place: no
Python string is made, and no library of Arrow's is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from understudy.errors import DataError
from understudy.runtime.fast import extension, status

if TYPE_CHECKING:
    from understudy._fast import ArrowTexts

LISTED_BY = ("tolist", "to_pylist", "to_list")
"""Methods of arrays and columns that give their items as plain objects."""


def arrow_texts(items: object) -> ArrowTexts | None:
    """The strings of an Arrow array or of a stream of such, in place.

    Returns:
        ``None`` where there is no such array, or its items must be listed: they are not strings, a dictionary
        encodes them, they are Python's strings already (a pandas column of objects), or C does not serve.

    Raises:
        DataError: the array is damaged, or it can be read neither in place nor as a list.
    """
    if hasattr(items, "__arrow_c_array__"):
        export = items.__arrow_c_array__
    elif hasattr(items, "__arrow_c_stream__"):
        export = items.__arrow_c_stream__
    else:
        return None
    if str(getattr(items, "dtype", "")) == "object" or not status().is_active:
        return None

    is_listed = any(hasattr(items, name) for name in LISTED_BY)
    try:
        given = export()
    except (ImportError, NotImplementedError, TypeError, ValueError):
        if is_listed:  # such as a pandas column, without pyarrow
            return None
        raise
    try:
        texts: ArrowTexts = extension().ArrowTexts(*(given if isinstance(given, tuple) else (given,)))
    except TypeError as error:
        if is_listed:
            return None
        raise DataError(f"A list of texts is needed. {error}") from error
    except ValueError as error:
        raise DataError(f"These texts cannot be read. {error}") from error
    return texts
