import json
import os

import numpy as np

from understudy.evaluation import machine
from understudy.evaluation.machine import cpu_name, describe_machine


def test_the_machine_is_described_in_json():
    found = describe_machine(3)
    assert json.loads(json.dumps(found)) == found
    assert found["threads"] == 3
    assert found["logical_cores"] == os.cpu_count()
    assert found["cpu"]
    assert found["memory_gib"] > 0.1
    assert found["versions"]["numpy"] == np.__version__


def test_a_package_that_is_absent_has_no_version(monkeypatch):
    monkeypatch.setattr(machine, "PACKAGES", ("numpy", "no-such-package-at-all"))
    assert describe_machine(1)["versions"]["no-such-package-at-all"] is None


def test_cpu_name_reads_the_first_model_name(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nmodel name\t: Example CPU: 3 GHz\nmodel name\t: other\n")
    assert cpu_name(path) == "Example CPU: 3 GHz"


def test_cpu_name_falls_back_to_the_platform(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    path = tmp_path / "cpuinfo"
    assert cpu_name(path) == "riscv64"
    path.write_text("processor: 0\n")
    assert cpu_name(path) == "riscv64"


def test_unknown_memory_is_zero(monkeypatch):
    monkeypatch.setattr(os, "sysconf_names", {})
    assert describe_machine(1)["memory_gib"] == 0
