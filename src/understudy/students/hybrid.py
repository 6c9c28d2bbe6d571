"""`hybrid.v1`, `bihybrid.v1`: products of word matrices beside the mean of word vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from understudy.core.checks import check_positive
from understudy.students.cmow import CMOW, SOURCE, CMOWConfig, head, parameters
from understudy.students.registry import TrainingDefaults, register


@dataclass(frozen=True)
class HybridConfig(CMOWConfig):
    """Sizes of `hybrid.v1`: those of `cmow.v1`, and a word's vector.

    Attributes:
        size: D, rows and columns of a word's matrix.
        width: Width of a word's vector.
    """

    size: int = 20
    width: int = 400

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(width=self.width)

    @property
    def vector(self) -> int:
        """Width of the word vectors beside the matrices."""
        return self.width


@dataclass(frozen=True)
class BiHybridConfig(HybridConfig):
    """Sizes of `bihybrid.v1`: those of `hybrid.v1`; a word has a second matrix, for reading backward."""

    directions: ClassVar[int] = 2


TRAINING = TrainingDefaults(epochs=10, batch_size=64, learning_rate=3e-4, patience=5, is_bucketed=True)

for _name, _config in (("hybrid.v1", HybridConfig), ("bihybrid.v1", BiHybridConfig)):
    register(_name, config=_config, head=head, parameters=parameters, training=TRAINING, source=SOURCE)(CMOW)
