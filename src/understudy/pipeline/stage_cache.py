"""Stages of a run: each writes one folder, and is skipped while its inputs have not changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy._version import __version__
from understudy.core.manifest import digest, read_json, read_manifest, verify, write_json
from understudy.core.progress import Progress
from understudy.errors import ArtifactError

RECORD = "stages.json"


def wanted_digest(name: str, inputs: Mapping[str, Any]) -> str:
    """What the manifest of a stage's folder must hold, so that the stage is not done again."""
    return digest({**inputs, "stage": name, "version": __version__})


@dataclass
class StageCache:
    """The stages of the run in ``folder``: what was done, what was skipped, and the seconds each took.

    Attributes:
        folder: of the run.
        progress: audience.
        done: stage name → ``{"name", "seconds", "skipped"}``, in order; seconds are those of the last time
            the stage really ran.
    """

    folder: Path
    progress: Progress
    done: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(
        self, name: str, folder: Path, inputs: Mapping[str, Any], work: Callable[[dict[str, Any]], None]
    ) -> str:
        """Do a stage unless its folder is there, whole, and made from the same inputs.

        Args:
            name: of the stage.
            folder: that the stage writes with `understudy.core.manifest.publish`.
            inputs: JSON-ready; everything that decides the result.
            work: called with what the folder's manifest must hold.

        Returns:
            Digest of the inputs, for stages that build on this one.
        """
        wanted = wanted_digest(name, inputs)
        if self.is_current(name, folder, wanted):
            self.skip(name)
            return wanted
        self.progress.say(f"{name} …")
        started = time.perf_counter()
        work({"inputs": wanted})
        self.note(name, time.perf_counter() - started)
        return wanted

    def note(self, name: str, seconds: float) -> None:
        """Record that a stage ran."""
        self.progress.say(f"{name}: done in {seconds:.1f} s")
        self.done[name] = {"name": name, "seconds": round(seconds, 3), "skipped": False}
        write_json(self.folder / RECORD, {**self._recorded(), name: seconds})

    def skip(self, name: str, why: str = "unchanged") -> None:
        """Record that a stage had nothing to do, and say so."""
        seconds = self._recorded().get(name, 0.0)
        self.progress.say(f"{name}: {why}, skipped")
        self.done[name] = {"name": name, "seconds": round(seconds, 3), "skipped": True}

    def is_current(self, name: str, folder: Path, wanted: str) -> bool:
        """Whether a folder is there, whole, and made from inputs with this digest."""
        try:
            manifest = read_manifest(folder)
            if manifest is None or manifest.get("inputs") != wanted:
                return False
            verify(folder)
        except ArtifactError as error:
            self.progress.say(f"{name}: {error} It is made again.")
            return False
        return True

    def _recorded(self) -> dict[str, float]:
        path = self.folder / RECORD
        recorded: dict[str, float] = read_json(path) if path.is_file() else {}
        return recorded
