"""What becomes of an error or an interruption: one message on standard error, and an exit code.

====  ====================================================================================
code  when
====  ====================================================================================
0     The work is done.
1     It failed: data, a teacher, a saved folder or the system does not allow it.
2     The command line or the recipe asks for something that does not exist or does not fit.
130   Ctrl-C stopped it.
143   SIGTERM stopped it.
====  ====================================================================================
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from understudy.errors import RecipeError, UnderstudyError

FAILURE, USAGE, INTERRUPTED, TERMINATED = 1, 2, 130, 143

RESUMES = "Run the same command again to continue where it stopped."


class Stopped(SystemExit):
    """A signal asked the process to stop. Its code is the exit code.

    Event loops and the command line's library let a `SystemExit` through, and every ``finally`` runs.

    Args:
        code: Exit code.
        resumes: Whether the same command continues where it stopped.
    """

    def __init__(self, code: int, *, resumes: bool) -> None:
        super().__init__(code)
        self.resumes = resumes


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn an expected error into one message on standard error and an exit code.

    Expected is every error of ours, and whatever the system refuses: no space, no permission, no such folder.
    Any other error shows its traceback. A closed pipe is not an error.
    """
    try:
        yield
        sys.stdout.flush()
    except UnderstudyError as error:
        raise _ended(f"Error: {error}", USAGE if isinstance(error, RecipeError) else FAILURE) from None
    except BrokenPipeError:
        raise _ended(None, 0) from None
    except Stopped as stopped:
        message = f"Stopped. {RESUMES}" if stopped.resumes else "Stopped."
        raise _ended(message, stopped.code if isinstance(stopped.code, int) else INTERRUPTED) from None
    except KeyboardInterrupt:
        raise _ended("Stopped.", INTERRUPTED) from None
    except UnicodeEncodeError as error:
        letter = error.object[error.start]
        raise _ended(f"Error: {letter!r} cannot be written in {error.encoding}.", FAILURE) from None
    except OSError as error:
        if error.strerror is None:  # not of the system, but of a library
            raise
        place = f"{error.filename} cannot be used: " if error.filename else ""
        raise _ended(f"Error: {place}{error.strerror}.", FAILURE) from None


def stop_on_signals(*, resumes: bool) -> None:
    """Let Ctrl-C and SIGTERM raise `Stopped`, so that children and temporary folders go; a second one kills.

    A signal that the caller ignores, as ``nohup`` does, stays ignored.

    Args:
        resumes: Whether the same command continues where it stopped.
    """
    import signal

    def stop(number: int, frame: object) -> None:  # noqa: ARG001
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(INTERRUPTED if number == signal.SIGINT else TERMINATED, resumes=resumes)

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, stop)


def _ended(message: str | None, code: int) -> SystemExit:
    """Say why, and forget what standard output did not take: the interpreter would fail over it again."""
    if message is not None:
        with contextlib.suppress(OSError, ValueError):  # standard error may be a closed pipe
            sys.stderr.write(f"{message}\n")
            sys.stderr.flush()

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return SystemExit(code)
