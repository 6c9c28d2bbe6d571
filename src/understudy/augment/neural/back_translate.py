"""Texts translated into another language and back, then some words replaced (Nityasya et al. 2022, § 6.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from understudy.augment.neural.loading import TEXTS, Model, Tokenizer, load, longest, pad, padding_id, sizes
from understudy.augment.neural.mlm import MlmConfig, mlm
from understudy.augment.registry import MODEL, PathOption, StepContext, register
from understudy.augment.rules.passes import sides
from understudy.core.checks import STRICT, check_positive
from understudy.core.task import Item
from understudy.tokenization.batching import budgeted_batches


@dataclass(frozen=True)
class BackTranslateConfig:
    """There and back, then some words replaced.

    Attributes:
        there: Sequence-to-sequence model into the other language, such as ``Helsinki-NLP/opus-mt-en-de``.
        back: The model for the way back.
        mlm: How words are replaced afterwards; ``None`` replaces none.
        beams: Width of the search; 1 is greedy.
        most_tokens: Most tokens of a translation.
        token_budget: Padded tokens in a batch.
    """

    __pydantic_config__: ClassVar = STRICT

    there: PathOption
    back: PathOption
    mlm: MlmConfig | None = None
    beams: int = 1
    most_tokens: int = 128
    token_budget: int = 2048

    def __post_init__(self) -> None:
        check_positive(beams=self.beams, most_tokens=self.most_tokens, token_budget=self.token_budget)


@register("back-translate", MODEL, config=BackTranslateConfig, source="Nityasya et al. 2022, section 6.2")
def back_translate(
    config: BackTranslateConfig, items: Sequence[Item], tools: StepContext
) -> Iterator[list[Item]]:
    """Load both models and translate; then let the masked language model, if one is named, vary the result.

    Of pairs, the first text, the second, and both are translated.
    """
    there = load("back-translate", "Seq2SeqLM", config.there)
    back = load("back-translate", "Seq2SeqLM", config.back)
    made: list[Item] = []

    with tools.progress.bar("translating", len(items), "texts") as advance:
        for start in range(0, len(items), TEXTS):
            block = items[start : start + TEXTS]
            columns = sides(block)
            new = [translate(*back, translate(*there, column, config), config) for column in columns]
            translated = _combine(columns, new)
            yield translated
            made += translated
            advance(len(block))

    if config.mlm is not None and made:
        yield from mlm(config.mlm, made, tools)


def translate(
    model: Model, tokenizer: Tokenizer, texts: Sequence[str], config: BackTranslateConfig
) -> list[str]:
    """Translate texts, those of similar length together, by beam search (greedy with one beam)."""
    import torch

    most = longest(model, config.most_tokens)
    rows = tokenizer(list(texts), truncation=True, max_length=most)["input_ids"]
    lines = [""] * len(texts)

    for batch in budgeted_batches(sizes(rows), config.token_budget):
        ids, mask = pad([rows[row] for row in batch.tolist()], padding_id(tokenizer), model.device)
        with torch.inference_mode():
            output = model.generate(
                input_ids=ids,
                attention_mask=mask,
                num_beams=config.beams,
                do_sample=False,
                max_new_tokens=most - 1,  # the decoder's start token takes a place, too
            )
        decoded = tokenizer.batch_decode(output, skip_special_tokens=True)
        for row, line in zip(batch.tolist(), decoded, strict=True):
            lines[row] = " ".join(line.split())

    return lines


def _combine(columns: Sequence[Sequence[str]], new: Sequence[Sequence[str]]) -> list[Item]:
    """Translations that are not blank; of pairs, (new, old), (old, new) and (new, new)."""
    if len(columns) == 1:
        return [text for text in new[0] if text]

    (first, second), (new_first, new_second) = columns, new
    pairs = [
        *zip(new_first, second, strict=True),
        *zip(first, new_second, strict=True),
        *zip(new_first, new_second, strict=True),
    ]
    return [pair for pair in pairs if all(pair)]
