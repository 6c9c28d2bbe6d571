"""Turn texts into more texts, seeded and deduplicated; filter and balance them; look at the result."""

from understudy.augment.pool import Pool, build_pool, normalise_held_out
from understudy.augment.pool_files import PoolTexts
from understudy.augment.registry import Step, StepContext, known_steps, read_steps, step
from understudy.augment.streamed_pool import Streamed, stream_pool

__all__ = [
    "Pool",
    "PoolTexts",
    "Step",
    "StepContext",
    "Streamed",
    "build_pool",
    "known_steps",
    "normalise_held_out",
    "read_steps",
    "step",
    "stream_pool",
]
