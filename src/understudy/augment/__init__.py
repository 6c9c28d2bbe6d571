"""Turn texts into more texts, seeded and deduplicated; filter and balance them; look at what came of it."""

from understudy.augment.pool import Pool, build_pool, held_out_forms
from understudy.augment.registry import STEPS, Step, StepContext, read_steps, step
from understudy.augment.streamed_pool import PoolTexts, Streamed, stream_pool

__all__ = [
    "STEPS",
    "Pool",
    "PoolTexts",
    "Step",
    "StepContext",
    "Streamed",
    "build_pool",
    "held_out_forms",
    "read_steps",
    "step",
    "stream_pool",
]
