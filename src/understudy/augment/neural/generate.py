"""Texts from a causal language model, fine-tuned on the task's own (Tang & Lin 2019, with GPT-2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from understudy.augment.configs import GenerateConfig
from understudy.augment.neural.loading import IGNORED, Ids, load, longest, pad, sizes
from understudy.core.manifest import digest
from understudy.core.progress import Progress, Silent
from understudy.core.task import IntArray, Item
from understudy.errors import DataError
from understudy.optim.epochs import Epoch
from understudy.optim.loop import LoopConfig, optimise
from understudy.tokenization.batching import bucketed_batches

TOGETHER = 128
"""Texts that are sampled together."""

ROUND = 16
"""Tokens that they grow by, before those that have ended leave and the others are batched again."""

HELD_BACK = 10
"""One in so many texts is not fine-tuned on, and chooses the best epoch."""


def generate(
    config: GenerateConfig, items: Sequence[Item], *, seed: int, progress: Progress | None = None
) -> Iterator[list[Item]]:
    """Load the model, fine-tune it on the items, and sample; one list a batch."""
    model, tokenizer = load("generate", "CausalLM", config.model)
    if config.epochs:
        finetune(model, tokenizer, items, config, seed=seed, progress=progress)
    model.to(getattr(torch, config.precision))
    yield from sample(model, tokenizer, items, config, seed=seed, progress=progress)


def finetune(
    model: Any,
    tokenizer: Any,
    items: Sequence[Item],
    config: GenerateConfig,
    *,
    seed: int,
    progress: Progress | None = None,
) -> list[Epoch]:
    """Fine-tune a causal language model in place, and return the curve.

    The best epoch is chosen on a tenth of the items, which are not trained on: neither dev nor test is known
    here. A model's text ends with its own end token.

    Raises:
        DataError: there is no text of two tokens or more.
    """
    rows = encode(tokenizer, _lines(items, config), longest(model, config.most_tokens), ends=True)
    rows = [row for row in rows if len(row) > 1]  # of a single token there is nothing to learn
    if not rows:
        raise DataError("The language model cannot be fine-tuned: no text has two tokens or more.")
    order = np.random.default_rng(seed).permutation(len(rows))
    back = max(1, len(rows) // HELD_BACK) if len(rows) > 1 else 0
    train, judge = order[back:], order[:back] if back else order
    lengths = sizes(rows)

    def loss(numbers: IntArray) -> Tensor:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            return _loss(model, [rows[n] for n in numbers.tolist()], _padding(tokenizer))

    def score() -> tuple[float, float]:
        batches = np.split(judge, range(config.batch_size, len(judge), config.batch_size))
        value = float(np.mean([float(loss(batch)) for batch in batches]))
        return -value, -value

    return optimise(
        model,
        batches=lambda generator: [
            train[batch] for batch in bucketed_batches(lengths[train], config.batch_size, generator)
        ],
        loss=loss,
        score=score,
        config=LoopConfig(config.epochs, config.learning_rate),
        seed=seed,
        progress=progress,
        what="fine-tuning the language model",
    )


def sample(
    model: Any,
    tokenizer: Any,
    items: Sequence[Item],
    config: GenerateConfig,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Iterator[list[Item]]:
    """Sample ``config.texts`` texts, each from the first words of a random item on; one list a batch.

    Texts grow in rounds of `ROUND` tokens. Those of like length share a batch, padded on the left; keys and
    values of what was read are cached. A text that has ended keeps no other waiting for more than a round.
    """
    if not items:
        return
    most = longest(model, config.most_tokens)
    rows = [row for row in encode(tokenizer, prefixes(_lines(items, config), config, seed), most - 1) if row]
    number = 0
    with (progress or Silent()).bar("sampling", len(rows), "texts") as advance:
        while rows:
            rows, now = sorted(rows, key=len), []
            for start in range(0, len(rows), TOGETHER):
                own = int(digest([seed, number, start])[:12], 16)
                batch = rows[start : start + TOGETHER]
                grown = _grow(model, tokenizer, batch, most=most, config=config, seed=own)
                ended = [row for row in grown if _is_ended(row, tokenizer, most)]
                now += [row for row in grown if not _is_ended(row, tokenizer, most)]
                lines = tokenizer.batch_decode(ended, skip_special_tokens=True)
                yield [item for line in lines if (item := _item(line, items, config))]
                advance(len(ended))
            rows, number = now, number + 1


def prefixes(lines: Sequence[str], config: GenerateConfig, seed: int) -> list[str]:
    """The first 1 to ``prefix_words`` words of ``config.texts`` lines, drawn with replacement."""
    generator = np.random.default_rng(seed)
    rows = generator.integers(len(lines), size=config.texts).tolist()
    words = generator.integers(1, config.prefix_words, size=config.texts, endpoint=True).tolist()
    return [" ".join(lines[row].split()[:count]) for row, count in zip(rows, words, strict=True)]


def encode(tokenizer: Any, lines: Sequence[str], most: int, *, ends: bool = False) -> list[list[int]]:
    """Token ids of lines, at most ``most`` each, the end token among them where asked for."""
    encoded = tokenizer(list(lines), add_special_tokens=False)["input_ids"]
    start = [] if tokenizer.bos_token_id in (None, tokenizer.eos_token_id) else [tokenizer.bos_token_id]
    end = [tokenizer.eos_token_id] if ends and tokenizer.eos_token_id is not None else []
    room = most - len(start) - len(end)
    return [[*start, *ids[:room], *end] for ids in encoded]


def _loss(model: Any, rows: Ids, fill: int) -> Tensor:
    ids, mask = pad(rows, fill, model.device)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    following = ids.masked_fill(mask == 0, IGNORED)[:, 1:]
    return cross_entropy(logits.transpose(1, 2), following, ignore_index=IGNORED).cpu()


def _grow(
    model: Any, tokenizer: Any, rows: Ids, *, most: int, config: GenerateConfig, seed: int
) -> list[list[int]]:
    """The rows with up to `ROUND` tokens more; one that ends has the end token at its end."""
    ids, mask = pad(rows, _padding(tokenizer), model.device, left=True)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        sampled = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            max_new_tokens=min(ROUND, most - ids.shape[1]),
            pad_token_id=_padding(tokenizer),
            eos_token_id=tokenizer.eos_token_id,
        )
    more = sampled[:, ids.shape[1] :].tolist()
    return [[*row, *_to_end(new, tokenizer.eos_token_id)] for row, new in zip(rows, more, strict=True)]


def _to_end(tokens: list[int], end: int | None) -> list[int]:
    return tokens[: tokens.index(end) + 1] if end in tokens else tokens


def _is_ended(row: Sequence[int], tokenizer: Any, most: int) -> bool:
    return row[-1] == tokenizer.eos_token_id or len(row) >= most


def _padding(tokenizer: Any) -> int:
    """Id of the padding; a tokeniser without one, such as GPT-2's, lends its end token, which is masked."""
    number = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return int(number or 0)


def _lines(items: Sequence[Item], config: GenerateConfig) -> list[str]:
    return [item if isinstance(item, str) else config.separator.join(item) for item in items]


def _item(line: str, items: Sequence[Item], config: GenerateConfig) -> Item | None:
    """The sampled text or pair, or ``None`` where the line is none."""
    if isinstance(items[0], str):
        return " ".join(line.split()) or None
    parts = [" ".join(part.split()) for part in line.split(config.separator.strip())]
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None
