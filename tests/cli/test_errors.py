"""One message and an exit code for what goes wrong."""

import os
import signal

import pytest

from understudy import errors as ours
from understudy.cli import errors
from understudy.errors import DataError, RecipeError, UnderstudyError


def encoding_error(text, encoding):
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RecipeError("a reason."), 2, "Error: a reason.\n"),
        (DataError("a reason."), 1, "Error: a reason.\n"),
        (OSError(28, "No space left on device"), 1, "Error: No space left on device.\n"),
        (PermissionError(13, "Permission denied", "x"), 1, "Error: x cannot be used: Permission denied.\n"),
        (encoding_error("é", "ascii"), 1, "Error: 'é' cannot be written in ascii.\n"),
        (BrokenPipeError(32, "Broken pipe"), 0, ""),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
        (errors.Stopped(130, resumes=False), 130, "Stopped.\n"),
        (errors.Stopped(130, resumes=True), 130, f"Stopped. {errors.RESUMES}\n"),
        (errors.Stopped(143, resumes=True), 143, f"Stopped. {errors.RESUMES}\n"),
    ],
)
def test_what_is_not_a_defect_is_one_message(capsys, error, code, message):
    with pytest.raises(SystemExit) as ended, errors.exit_on_error():
        raise error
    assert ended.value.code == code
    assert capsys.readouterr().err == message


def test_only_mistakes_of_the_caller_are_usage_errors():
    kinds = [
        kind for kind in vars(ours).values() if isinstance(kind, type) and issubclass(kind, UnderstudyError)
    ]
    codes = {}
    for kind in kinds:
        with pytest.raises(SystemExit) as ended, errors.exit_on_error():
            raise kind("a reason.")
        codes[kind.__name__] = ended.value.code
    assert {name for name, code in codes.items() if code == 2} == {"RecipeError"}
    assert set(codes.values()) == {1, 2}


def test_a_defect_shows_itself():
    for error in (KeyError("a"), OSError("of a library, not of the system")):
        with pytest.raises(type(error)), errors.exit_on_error():
            raise error


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("resumes", [True, False])
def test_the_first_signal_stops_and_the_second_kills(number, code, resumes):
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        errors.stop_on_signals(resumes=resumes)
        with pytest.raises(errors.Stopped) as stopped:
            os.kill(os.getpid(), number)
        assert (stopped.value.code, stopped.value.resumes) == (code, resumes)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_a_signal_that_the_caller_ignores_stays_ignored():
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        errors.stop_on_signals(resumes=True)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
