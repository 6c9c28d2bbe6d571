"""What becomes of an error: one message and an exit code."""

import contextlib
import os
import sys
from collections.abc import Iterator

from understudy.errors import UnderstudyError


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """What is no defect of ours becomes one message on standard error and exit code 2.

    That is every error of ours, and whatever the system refuses: no space, no permission, no such folder.
    An interrupt ends with 130, as shells expect it. A closed pipe is no error.
    """
    try:
        yield
        sys.stdout.flush()
    except UnderstudyError as error:
        raise _ended(str(error)) from None
    except UnicodeEncodeError as error:
        advice = "" if error.encoding == "utf-8" else " Set PYTHONIOENCODING=utf-8."
        letter = error.object[error.start]
        raise _ended(f"{letter!r} cannot be written in {error.encoding}.{advice}") from None
    except BrokenPipeError:
        raise _ended(None, 0) from None
    except KeyboardInterrupt:
        raise _ended(None, 130) from None
    except OSError as error:
        if error.strerror is None:  # not of the system, but of a library
            raise
        place = f"{error.filename} cannot be used: " if error.filename else ""
        raise _ended(f"{place}{error.strerror}.") from None


def _ended(message: str | None, code: int = 2) -> SystemExit:
    """Say why, and forget what standard output did not take: the interpreter would fail over it again."""
    if message is not None:
        sys.stderr.write(f"Error: {message}\n")
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return SystemExit(code)
