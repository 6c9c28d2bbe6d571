"""Timing in a process of its own: its result, its errors, and its end when the caller is killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from understudy.core.task import Task
from understudy.errors import UnderstudyError
from understudy.pipeline.isolated_timing import measure_apart
from understudy.pipeline.predictors import PredictorSpec

TASK = Task(("bad", "good"))

MODULE = """
import os, subprocess, sys, time
from pathlib import Path

def start_helper():
    # It inherits standard output, and outlives the process that is timed.
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    Path(os.environ["PID_FILE"]).write_text(str(helper.pid))

def helped(texts):
    if not Path(os.environ["PID_FILE"]).is_file():
        start_helper()
    return [[0.0, 1.0] for _ in texts]

def helped_in_vain(texts):
    start_helper()
    raise ValueError("the function cannot answer")

def quick(texts):
    print("a line of its own")
    return [[0.0, 1.0] for _ in texts]

def slow(texts):
    Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
    time.sleep(120)

def wrong(texts):
    raise ValueError("the function cannot answer")
"""

CALLER = """
from understudy.core.task import Task
from understudy.pipeline.isolated_timing import measure_apart
from understudy.pipeline.predictors import PredictorSpec
measure_apart(PredictorSpec("callable", "timed_module:slow"), Task(("bad", "good")), ["a", "b"])
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that other processes find, too."""
    (tmp_path / "timed_module.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    return tmp_path


def wait_until(is_so, seconds=60):
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.05)
    return is_so()


def is_alive(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_result_is_found_among_other_output(module):
    cost = measure_apart(PredictorSpec("callable", "timed_module:quick"), TASK, ["a", "b"])
    assert cost["latency_us"]["p50"] > 0
    assert cost["threads"] == 1
    assert cost["parameters"] is cost["size_bytes"] is None


def test_the_errors_of_the_process_are_in_the_message(module):
    with pytest.raises(UnderstudyError, match=r"(?s)timed_module:wrong failed .*the function cannot answer"):
        measure_apart(PredictorSpec("callable", "timed_module:wrong"), TASK, ["a"])


@pytest.mark.parametrize("name", ["helped", "helped_in_vain"])
def test_a_helper_process_that_holds_standard_output_is_not_waited_for(module, monkeypatch, name):
    monkeypatch.setenv("PID_FILE", str(module / "pid"))
    fails = name == "helped_in_vain"
    expected = pytest.raises(UnderstudyError, match="cannot answer") if fails else contextlib.nullcontext()
    try:
        with expected:
            measure_apart(PredictorSpec("callable", f"timed_module:{name}"), TASK, ["a", "b"])
        helper = int((module / "pid").read_text())
        assert is_alive(helper)  # or it would not show that nobody waited for it
    finally:
        os.kill(int((module / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_it_ends_with_its_caller_and_leaves_no_file(module, name):
    temporary, pid_file = module / "temporary", module / "pid"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "PID_FILE": str(pid_file)}
    caller = subprocess.Popen([sys.executable, "-c", CALLER], env=environment)
    try:
        assert wait_until(lambda: pid_file.is_file() and pid_file.read_text() != "")
        timed = int(pid_file.read_text())
        assert timed != caller.pid
        assert is_alive(timed)
    finally:
        caller.send_signal(getattr(signal, name))
        caller.wait()

    assert wait_until(lambda: not is_alive(timed), 10)
    assert list(temporary.iterdir()) == []
