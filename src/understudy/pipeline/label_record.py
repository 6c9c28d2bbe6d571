"""What the stage `label` leaves beside the logit stores: what was labelled, by whom, and what is missing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from understudy.core.manifest import read_json, write_json
from understudy.errors import ArtifactError

FILE = "label.json"
"""Name of the record in the folder of the logit stores."""


@dataclass(frozen=True)
class LabelRecord:
    """The stage `label` as it was last done.

    Attributes:
        key: Changes when other texts are to be labelled, or by another teacher.
        texts: Distinct texts that were wanted.
        fingerprint: What the logit store is opened with.
        found: Number of these texts that have soft targets.
        set_aside: Texts for which the teacher has no usable answer.
        remaining: Texts that were neither answered nor set aside, because the budget was spent.
        notes: Sentences for the report.
    """

    key: str
    texts: int
    fingerprint: str
    found: int
    set_aside: int = 0
    remaining: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> LabelRecord:
        """Read the record in the folder of the logit stores.

        Raises:
            ArtifactError: There is no record, or it does not hold what a record holds.
        """
        path = folder / FILE
        facts = read_json(path)
        if isinstance(facts, dict):
            # Older records of a local teacher have no "found": such a teacher answered every text.
            facts = {"found": facts.get("texts"), **facts}
            known = {field.name: facts[field.name] for field in fields(cls) if field.name in facts}

            numbers = [facts.get(name, 0) for name in ("texts", "found", "set_aside", "remaining")]
            names = [facts.get(name) for name in ("key", "fingerprint")]
            notes = facts.get("notes", ())
            if (
                all(isinstance(number, int) for number in numbers)
                and all(isinstance(name, str) for name in names)
                and isinstance(notes, list | tuple)
            ):
                return cls(**{**known, "notes": tuple(map(str, notes))})

        raise ArtifactError(
            f"{path} is damaged: it does not say what was labelled. Delete it, and label again: "
            "the store keeps the answers."
        )

    @classmethod
    def find(cls, folder: Path) -> LabelRecord | None:
        """The record, or ``None`` where it is missing or damaged: the stage is then done again.

        That is cheap: a text that has soft targets in the store is not shown to the teacher again.
        """
        try:
            return cls.load(folder)
        except ArtifactError:
            return None

    def save(self, folder: Path) -> None:
        """Write the record, whole or not at all."""
        write_json(folder / FILE, asdict(self))
