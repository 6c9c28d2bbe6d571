"""The machine and the versions that a number was measured with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

PACKAGES = ("understudy", "numpy", "onnxruntime", "tokenizers", "torch", "transformers", "scikit-learn")
"""Packages whose version can change a result."""


def describe_machine(threads: int) -> dict[str, Any]:
    """What stands beside every measurement, JSON-ready.

    Args:
        threads: Number of threads the predictor was allowed to use.

    Returns:
        ``cpu`` (model name), ``logical_cores``, ``threads``, ``memory_gib`` (physical; 0 if unknown), ``os``,
        ``python``, and ``versions`` by package, ``None`` where a package is not installed.
    """
    return {
        "cpu": cpu_name(),
        "logical_cores": os.cpu_count() or 1,
        "threads": threads,
        "memory_gib": _memory_gib(),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model name, or the best the platform tells."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def _memory_gib() -> float:
    """Physical memory in GiB, to one decimal."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return 0.0
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def _version(package: str) -> str | None:
    """The installed version, found without importing the package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
