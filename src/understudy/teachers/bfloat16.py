"""A teacher in bfloat16: what is rounded, what is not, and which answers are looked at again.

The large products and attention are rounded; the stream between the layers, the layer norms and the layer
that gives the logits stay in float32. What is left moves a logit by about one per cent of the logits' size,
most of it from weights of eight significant bits. So only an answer between two labels that are nearly alike
can turn, and those few are answered again in float32. How near is near depends on the teacher alone: texts of
random pieces, answered both ways when it is first asked, say how far its logits move.

Not every processor has instructions for bfloat16. Without them products take several times as long as in
float32, so float32 is used there. The processor decides, not a clock, so that a run on the same machine gives
the same weights again. Only where nothing can be learnt of the processor are both timed, once per process;
``auto``, the default of a run, is then float32.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from understudy.core.task import FloatArray, IntArray, Item, Task
from understudy.teachers.modules import last_layer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SAFETY = 4.0
"""Two labels are near each other where their logits differ by less than this times the probe's largest move.

On texts of SST-2, CoLA and Emotion, with three teachers, none moved by more than three times the probe's.
"""

PROBE = (32, 16)
"""Texts of the probe, and pieces in each."""

TIMED = (256, 384, 1536)
"""Rows, inner size and columns of the timed product: some tokens through a small encoder's widest layer."""

TURNS = 5
"""Times that each product is taken; the fastest counts, so that other work on the machine decides nothing."""

CLEARLY = 1.25
"""How many times as fast bfloat16 must be where the clock decides. With instructions it is about twice as
fast, without them several times slower: a machine stands clear of this number, whatever else runs on it."""

INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")
"""What x86 and ARM processors call their instructions for bfloat16."""

CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Bfloat16Speed:
    """What this machine makes of bfloat16.

    Attributes:
        has_instructions: Whether the processor names instructions for it; ``None`` where it cannot be asked.
        float32_ms: Milliseconds of a product in float32, where it was timed.
        bfloat16_ms: Milliseconds of the same product in bfloat16.
    """

    has_instructions: bool | None = None
    float32_ms: float | None = None
    bfloat16_ms: float | None = None

    @property
    def is_faster(self) -> bool:
        """Whether bfloat16 saves time here: the processor decides, or else the clock."""
        if self.has_instructions is not None:
            return self.has_instructions
        if self.float32_ms is None or self.bfloat16_ms is None:
            return False
        return CLEARLY * self.bfloat16_ms < self.float32_ms

    @property
    def sentence(self) -> str:
        """Why float32 is used in its place."""
        reasons = ["this processor has no instructions for it"] if self.has_instructions is False else []
        if self.float32_ms is not None and self.bfloat16_ms is not None:
            reasons.append(f"a product took {self.bfloat16_ms:.1f} ms, in float32 {self.float32_ms:.1f} ms")
        why = "; ".join(reasons) or "nothing is known of its speed"
        clearly = (
            "clearly " if self.has_instructions is None else ""
        )  # by the clock it may be a little faster
        return f"bfloat16 is not {clearly}faster on this machine: {why}. float32 is used instead."


@cache
def bfloat16_speed() -> Bfloat16Speed:
    """Ask the processor, and time a product both ways where it does not answer; once per process."""
    known = has_instructions()
    return Bfloat16Speed(known) if known is not None else Bfloat16Speed(None, *_timed())


def _timed() -> tuple[float, float]:
    """Milliseconds of one product in float32 and in bfloat16; takes a few hundredths of a second."""
    rows, inner, columns = TIMED
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(rows, inner, generator=generator)
    right = torch.randn(columns, inner, generator=generator)

    fastest = dict.fromkeys((torch.float32, torch.bfloat16), float("inf"))
    with torch.inference_mode():
        for _ in range(TURNS):  # in turns, so that both meet the same load
            for kind in fastest:
                one, other = left.to(kind), right.to(kind)
                started = time.perf_counter()
                F.linear(one, other)
                fastest[kind] = min(fastest[kind], 1000 * (time.perf_counter() - started))

    return fastest[torch.float32], fastest[torch.bfloat16]


def has_instructions(cpu_info: Path = CPU_INFO) -> bool | None:
    """Whether the processor names instructions for bfloat16; ``None`` where nothing can be learnt.

    Newer versions of torch know; on Linux the kernel lists the processor's flags.
    """
    ask = getattr(torch.cpu, "get_capabilities", None)
    known: Mapping[str, object] = ask() if ask is not None else {}
    answers = [known[name] for name in INSTRUCTIONS if name in known]
    if answers:
        return any(answers)

    try:
        lines = cpu_info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), None)
    return None if flags is None else bool(set(INSTRUCTIONS) & set(flags.lower().split()))


def auto_precision() -> str:
    """What ``auto`` stands for on this machine: bfloat16 where the processor names instructions for it.

    No clock decides, so that it is the same at every start.
    """
    return "bfloat16" if has_instructions() else "float32"


def resolved(asked: str) -> str:
    """The precision that was asked for, ``auto`` in the terms of this machine.

    Keys and fingerprints are made of this one, so that machines of two kinds share no answers under ``auto``.
    """
    return auto_precision() if asked == "auto" else asked


def used_precision(asked: str) -> str:
    """The precision to compute in: the one that was asked for, but never a slower bfloat16."""
    wanted = resolved(asked)
    return wanted if wanted != "bfloat16" or bfloat16_speed().is_faster else "float32"


def fallback_note(asked: str) -> str:
    """Why another precision is used than the one that was asked for; empty where it is the same."""
    return "" if used_precision(asked) == resolved(asked) else bfloat16_speed().sentence


def probe(task: Task, tokenizer: PreTrainedTokenizerBase) -> list[Item]:
    """Items of random pieces, always the same for one tokeniser and form of task."""
    drawn = np.random.default_rng(0).integers(0, len(tokenizer), PROBE)
    texts = [tokenizer.decode(pieces, skip_special_tokens=True) for pieces in drawn]
    if task.kind == "tagging":
        return [tuple(text.split() or ["a"]) for text in texts]
    return list(zip(texts, texts[::-1], strict=True)) if task.texts == 2 else texts


def largest_move(one: FloatArray, other: FloatArray) -> float:
    """The greatest change of a difference between two logits of a row, from one answer to the other.

    Both answers are ``(rows, c)``.
    """
    return float(np.ptp(one - other, axis=1).max(initial=0.0))


@contextmanager
def rounded(module: nn.Module, labels: int) -> Iterator[None]:
    """Compute products of a teacher in bfloat16 inside this block; its weights are left as they are.

    Args:
        module: The teacher's module.
        labels: Number of logits; the layer that gives them stays in float32.
    """
    layer = last_layer(module, labels)
    hook = layer.register_forward_hook(_exactly)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            yield
    finally:
        hook.remove()


def _exactly(layer: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        return F.linear(inputs[0].float(), cast("Tensor", layer.weight), cast("Tensor | None", layer.bias))


def near_ties(logits: FloatArray, counts: IntArray, near: float) -> IntArray:
    """The numbers of the sequences with an answer that rounding may turn, in order: ``(n,)``.

    Args:
        logits: ``(rows, c)`` of labels that exclude each other.
        counts: ``(s,)`` rows of each sequence, whose sum is the number of rows.
        near: Greatest difference between the logits of the two best labels of such an answer.
    """
    best = np.partition(logits, -2, axis=1)[:, -2:]
    sequences = np.repeat(np.arange(len(counts)), counts)
    return np.unique(sequences[best[:, 1] - best[:, 0] < near])
