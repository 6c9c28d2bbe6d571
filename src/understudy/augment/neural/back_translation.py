"""Texts translated into another language and back, then some words replaced (Nityasya et al. 2022, § 6.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from understudy.augment.configs import BackTranslateConfig
from understudy.augment.neural.loading import TEXTS, load, longest, pad, sizes
from understudy.augment.neural.mlm import substitute
from understudy.augment.rules.passes import sides
from understudy.core.progress import Progress, Silent
from understudy.core.task import Item
from understudy.tokenization.batching import budgeted_batches


def back_translate(
    config: BackTranslateConfig, items: Sequence[Item], *, seed: int, progress: Progress | None = None
) -> Iterator[list[Item]]:
    """Load both models and translate; then let the masked language model, if one is named, vary the outcome.

    Of pairs, the first text, the second, and both are translated.
    """
    there = load("back-translate", "Seq2SeqLM", config.there)
    back = load("back-translate", "Seq2SeqLM", config.back)
    made: list[Item] = []
    with (progress or Silent()).bar("translating", len(items), "texts") as advance:
        for start in range(0, len(items), TEXTS):
            block = items[start : start + TEXTS]
            columns = sides(block)
            new = [translate(*back, translate(*there, column, config), config) for column in columns]
            translated = _combine(columns, new)
            yield translated
            made += translated
            advance(len(block))
    if config.mlm is not None and made:
        yield from substitute(config.mlm, made, seed=seed, progress=progress)


def translate(model: Any, tokenizer: Any, texts: Sequence[str], config: BackTranslateConfig) -> list[str]:
    """Translate texts, those of like length together, by beam search (greedy with one beam)."""
    most = longest(model, config.most_tokens)
    rows = tokenizer(list(texts), truncation=True, max_length=most)["input_ids"]
    lines = [""] * len(texts)
    for batch in budgeted_batches(sizes(rows), config.token_budget):
        ids, mask = pad([rows[row] for row in batch.tolist()], tokenizer.pad_token_id, model.device)
        with torch.inference_mode():
            output = model.generate(
                input_ids=ids,
                attention_mask=mask,
                num_beams=config.beams,
                do_sample=False,
                max_new_tokens=most - 1,
            )
        decoded = tokenizer.batch_decode(output, skip_special_tokens=True)
        for row, line in zip(batch.tolist(), decoded, strict=True):
            lines[row] = " ".join(line.split())
    return lines


def _combine(columns: Sequence[Sequence[str]], new: Sequence[Sequence[str]]) -> list[Item]:
    """Translations that are not blank; of pairs, (new, old), (old, new) and (new, new)."""
    if len(columns) == 1:
        return [text for text in new[0] if text]
    old_one, old_other, one, other = columns[0], columns[1], new[0], new[1]
    pairs = [
        *zip(one, old_other, strict=True),
        *zip(old_one, other, strict=True),
        *zip(one, other, strict=True),
    ]
    return [pair for pair in pairs if all(pair)]
