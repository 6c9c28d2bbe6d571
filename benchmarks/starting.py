"""What it costs to begin: `load`, a process from its start to the first answer, its memory, files on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from answering import Contestant
from contest import Block, rows, turns

from understudy.runtime import load

PEAK = (
    "import sys\nfrom understudy.__main__ import main\nmain()\n"
    "lines = open('/proc/self/status', encoding='utf-8')\n"
    "sys.stderr.write(next(line.split()[1] for line in lines if line.startswith('VmHWM')))\n"
)


def loading(folders: dict[str, Path], repeats: int) -> list[dict[str, Any]]:
    """Rows of `load`, in one process where everything is imported already."""

    def block(folder: Path) -> Block:
        def opened() -> int:
            for _ in range(5):
                load(folder)
            return 5

        return opened

    return rows(turns({name: block(folder) for name, folder in folders.items()}, repeats), "cbow", "wall")


def processes(folders: dict[str, Path], text: str, repeats: int) -> list[dict[str, Any]]:
    """Rows of whole processes; their processor time is that of the child."""
    found: dict[str, list[tuple[float, float]]] = {}
    commands = {"python -c pass": ["-c", "pass"]} | {
        f"understudy predict, {name}": ["-m", "understudy", "predict", str(folder), text]
        for name, folder in folders.items()
    }
    for turn in range(repeats + 1):
        for name, command in commands.items():
            wall, cpu = time.perf_counter(), sum(os.times()[2:4])
            subprocess.run([sys.executable, *command], check=True, capture_output=True, timeout=120)
            taken = time.perf_counter() - wall, sum(os.times()[2:4]) - cpu
            if turn:
                found.setdefault(name, []).append(taken)
    return [
        {
            "name": name,
            "wall_ms": sorted(wall for wall, _ in values)[len(values) // 2] * 1e3,
            "wall_ms_range": [min(w for w, _ in values) * 1e3, max(w for w, _ in values) * 1e3],
            "cpu_ms": sorted(cpu for _, cpu in values)[len(values) // 2] * 1e3,
        }
        for name, values in found.items()
    ]


def memory(folders: dict[str, Path], text: str) -> dict[str, float | None]:
    """Highest resident memory of a process that answers one text, MB; ``None`` where nothing tells."""
    found: dict[str, float | None] = {}
    for name, folder in folders.items():
        if not Path("/proc/self/status").is_file():
            return dict.fromkeys(folders)
        command = [sys.executable, "-c", PEAK, "predict", str(folder), text]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        found[name] = int(done.stderr.split()[-1]) * 1024 / 1e6
    return found


def sizes(contestants: dict[str, Contestant]) -> dict[str, int]:
    """Bytes of what each needs on disk."""
    found = {}
    for name, contestant in contestants.items():
        path = contestant.path
        if path is not None:
            files = [path] if path.is_file() else [part for part in path.rglob("*") if part.is_file()]
            found[name] = sum(file.stat().st_size for file in files)
    return found


def show(table: list[dict[str, Any]], peaks: dict[str, float | None], bytes_: dict[str, int]) -> None:
    """Print what `processes`, `memory` and `sizes` found."""
    print("\nProcess from its start to the first answer")
    for row in table:
        low, high = row["wall_ms_range"]
        spread = f"({low:.0f}-{high:.0f}), processor {row['cpu_ms']:.0f} ms"
        print(f"  {row['name']:<44}{row['wall_ms']:>8.0f} ms {spread}")
    print("\nPeak memory, MB: " + json.dumps({k: v and round(v, 1) for k, v in peaks.items()}))
    print("On disk, KB: " + json.dumps({name: round(size / 1e3) for name, size in bytes_.items()}))
