"""The stages of a run: each writes one folder, and is skipped while its inputs have not changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from understudy._version import __version__
from understudy.core.manifest import digest, read_json, read_manifest, verify, write_json
from understudy.core.progress import Progress
from understudy.errors import ArtifactError
from understudy.report.record import StageRecord

RECORD = "stages.json"
"""File of a run with the seconds that each stage took when it was last done."""


def wanted_digest(name: str, inputs: Mapping[str, object]) -> str:
    """Digest of a stage's inputs; where the manifest of its folder holds it, the stage is not done again."""
    return digest({**inputs, "stage": name, "version": __version__})


@dataclass
class StageCache:
    """The stages of a run: which were done, which were skipped, and how many seconds each took.

    Attributes:
        folder: Folder of the run.
        progress: Where progress is shown.
        done: What became of each stage by its name, in order. Seconds are those of the last time that the
            stage was really done.
    """

    folder: Path
    progress: Progress
    done: dict[str, StageRecord] = field(default_factory=dict)

    def run(
        self,
        name: str,
        folder: Path,
        inputs: Mapping[str, object],
        work: Callable[[dict[str, str]], None],
        *,
        is_shared: bool = False,
    ) -> str:
        """Do a stage, unless its folder is complete and made from the same inputs.

        Args:
            name: Name of the stage.
            folder: Folder that the stage writes with `understudy.core.manifest.publish`.
            inputs: Everything that decides the result, JSON-ready.
            work: Does the stage; it is called with the facts that the folder's manifest must hold.
            is_shared: Whether several stages ask for it: then nothing is said of those that find it done.

        Returns:
            Digest of the inputs, for stages that build on this one.
        """
        wanted = wanted_digest(name, inputs)
        if self.is_current(name, folder, wanted):
            if not is_shared:
                self.skip(name)
            return wanted

        self.progress.say(f"{name} …")
        started = time.perf_counter()
        work({"inputs": wanted})
        self.note(name, time.perf_counter() - started)
        return wanted

    def note(self, name: str, seconds: float) -> None:
        """Record that a stage was done."""
        self.progress.say(f"{name}: done in {seconds:.1f} s")
        self.done[name] = StageRecord(name=name, seconds=round(seconds, 3), skipped=False)
        write_json(self.folder / RECORD, {**self._recorded(), name: seconds})

    def skip(self, name: str, why: str = "unchanged") -> None:
        """Record that a stage had nothing to do, and show why."""
        seconds = self._recorded().get(name, 0.0)
        self.progress.say(f"{name}: {why}, skipped")
        self.done[name] = StageRecord(name=name, seconds=round(seconds, 3), skipped=True)

    def is_current(self, name: str, folder: Path, wanted: str) -> bool:
        """Whether a folder is complete and made from inputs with this digest."""
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
        """Seconds by stage. A damaged record loses only these numbers, so the run continues without it."""
        path = self.folder / RECORD
        try:
            recorded = read_json(path) if path.is_file() else {}
        except ArtifactError:
            return {}
        seconds = recorded.items() if isinstance(recorded, dict) else ()
        return {name: float(value) for name, value in seconds if isinstance(value, int | float)}
