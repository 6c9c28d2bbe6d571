"""Standard streams that are closed, or that do not know our letters."""

import io
import os
import subprocess
import sys

import pytest

from understudy.cli import streams
from understudy.cli.verbs import STAGES


def command(*arguments, before="", after="", **environment):
    """Run the command line in a shell; ``before`` and ``after`` stand around it."""
    line = f"{before} {sys.executable} -m understudy {' '.join(arguments)} {after}"
    return subprocess.run(
        ["/bin/sh", "-c", line],
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp437"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
)
def test_help_is_shown_in_every_encoding(environment):
    done = command("distill", "--help", **environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"--student" in done.stdout


def test_a_letter_that_cannot_be_written_is_replaced(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    streams.prepare()
    sys.stdout.write("★ 3 → 4 … é \udcff")
    sys.stdout.flush()
    assert written.getvalue() == b"* 3 -> 4 ... ? ?"


def test_a_letter_that_the_terminal_knows_stays(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    streams.prepare()
    sys.stdout.write("★ … é")
    sys.stdout.flush()
    assert written.getvalue() == "* … é".encode("cp1252")


def test_answers_are_utf8_but_on_a_terminal(monkeypatch):
    for is_terminal, expected in ((False, "★é".encode()), (True, b"*?")):
        written = io.BytesIO()
        stream = io.TextIOWrapper(written, encoding="ascii")
        monkeypatch.setattr(stream, "isatty", lambda is_terminal=is_terminal: is_terminal, raising=False)
        monkeypatch.setattr(sys, "stdout", stream)
        streams.prepare()
        streams.write_data()
        sys.stdout.write("★é")
        sys.stdout.flush()
        assert written.getvalue() == expected


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize("verb", ["info", "--help", "predict nowhere x", "predict nowhere"])
def test_a_closed_stream_is_not_a_traceback(verb, closed):
    done = command(verb, after=closed)
    assert done.returncode == (1 if "nowhere" in verb else 0)
    assert b"Traceback" not in done.stderr


def test_a_closed_stream_gets_the_null_device():
    """Or else the next file that is opened is standard output, and what a library prints lands in it."""
    code = "from understudy.cli.streams import prepare; prepare(); import os; print(os.open('/dev/null', 0))"
    done = subprocess.run(
        ["/bin/sh", "-c", f'{sys.executable} -c "{code}; os.write(2, str(os.dup(0)).encode())" <&- >&-'],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert int(done.stderr) > 2


def test_an_output_that_cannot_be_written_is_one_message():
    done = command("info", after="1</dev/null")
    assert done.returncode == 1
    assert done.stderr == b"Error: Bad file descriptor.\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 0),
        (("help",), 0),
        (("help", "train"), 0),
        (("-h",), 0),
        (("--version",), 0),
        (("distil",), 2),
        (("--nothing",), 2),
        (("predict",), 2),
        (("predict", "nowhere", "x"), 1),
    ],
)
@pytest.mark.parametrize("has_extras", [True, False])
def test_exit_codes_are_alike_with_and_without_extras(tmp_path, arguments, code, has_extras):
    """A package that cannot be imported stands for one that is not installed."""
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError(name='typer')\n", encoding="utf-8")
    path = [] if has_extras else [str(tmp_path)]
    inherited = os.environ.get("PYTHONPATH")
    done = command(*arguments, PYTHONPATH=os.pathsep.join([*path, *([inherited] if inherited else [])]))
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    if arguments in ((), ("help",), ("-h",)):
        assert all(verb.encode() in done.stdout for verb in STAGES)
