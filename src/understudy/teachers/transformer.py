"""A teacher that is a transformer encoder with a classification head."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from understudy.batching import budgeted_batches
from understudy.errors import TeacherError
from understudy.folders import digest
from understudy.task import FloatArray, IntArray, Task
from understudy.teachers.source import Source, read_optional_json, resolve

TOKEN_BUDGET = 640
"""Tokens a batch when answering; such batches stay in a core's cache, larger ones were slower."""

LONGEST = 512
"""Tokens that are read of a text, unless the model reads fewer."""

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}

HEAD_FILE, FACTS_FILE = "head.safetensors", "understudy.json"


class MeanPooled(nn.Module):
    """An encoder body, the mean over its real tokens, dropout, and a linear head.

    Args:
        body: the encoder.
        labels: number of logits, c.
    """

    def __init__(self, body: nn.Module, labels: int) -> None:
        super().__init__()
        self.body = body
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(int(body.config.hidden_size), labels)  # type: ignore[union-attr, arg-type]

    def forward(self, **inputs: Tensor) -> Tensor:
        """Logits ``(b, c)`` of ``input_ids`` and ``attention_mask``, both ``(b, t)``."""
        states = self.body(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
        logits: Tensor = self.head(self.dropout(mean))
        return logits


class Headed(nn.Module):
    """An encoder with the head that its own library gives it (on the first token).

    Args:
        model: as `AutoModelForSequenceClassification` returns it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **inputs: Tensor) -> Tensor:
        """Logits ``(b, c)``."""
        logits: Tensor = self.model(**inputs).logits
        return logits


@dataclass(frozen=True)
class Encoded:
    """Texts as token ids; ``inputs`` holds, per name, one list of ids a text. ``lengths`` is ``(n,)``."""

    inputs: Mapping[str, Sequence[Sequence[int]]]
    lengths: IntArray
    pad: int

    def batch(self, rows: IntArray) -> dict[str, Tensor]:
        """The texts with the given row numbers, padded: name → ``(b, t)`` int64."""
        longest = int(self.lengths[rows].max())
        padded = {}
        for name, values in self.inputs.items():
            fill = self.pad if name == "input_ids" else 0
            block = np.full((len(rows), longest), fill, dtype=np.int64)
            for line, row in enumerate(rows):
                block[line, : self.lengths[row]] = values[row]
            padded[name] = torch.from_numpy(block)
        return padded


class Teacher:
    """A transformer that answers a task: `Teacher.from_pretrained` makes one.

    Args:
        module: name → tensors in, logits ``(b, c)`` out.
        tokenizer: the model's own.
        task: label names in the order of the module's logits.
        name: what the user calls it.
        precision: ``float32``, or ``bfloat16`` (faster where the CPU has it; logits move a little).
    """

    def __init__(
        self, module: nn.Module, tokenizer: Any, task: Task, *, name: str, precision: str = "float32"
    ) -> None:
        _check_precision(precision)
        self.module = module.eval()
        self.tokenizer = tokenizer
        self.task = task
        self.name = name
        self.precision = precision
        self.columns = np.arange(len(task.labels))
        self.longest = longest_input(tokenizer, module)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        task: Task | None = None,
        labels: Sequence[str] | None = None,
        precision: str = "float32",
    ) -> Teacher:
        """Load a fine-tuned teacher from a hub id or a folder.

        Args:
            name: hub id, folder, or short name.
            task: what it shall answer; its columns are then put in this task's order, **by name**.
            labels: the names of its columns, for a model that does not say them itself.
            precision: ``float32`` or ``bfloat16``.

        Raises:
            TeacherError: it cannot be loaded, has no classification head, or its labels are not the task's.
        """
        _check_precision(precision)
        source = resolve(str(name))
        with quiet():
            config = load_config(source)
            if not is_finetuned(source, config):
                raise TeacherError(
                    f"The teacher {source.name!r} is a bare encoder without a classification head. Fine-tune "
                    "it first: `understudy finetune DATA --teacher " + source.name + "`."
                )
            facts = read_optional_json(source, FACTS_FILE)
            module = _load_module(source, facts)
            tokenizer = load_tokenizer(source)
        own = Task(tuple(labels or (facts["labels"] if facts else _config_labels(config))))
        columns = len(facts["labels"]) if facts else config.num_labels
        if len(own.labels) != columns:
            raise TeacherError(f"{source.name!r} gives {columns} logits, but labels are {labels}.")
        teacher = cls(module.to(PRECISIONS[precision]), tokenizer, own, name=source.name, precision=precision)
        return teacher.arranged(task) if task is not None else teacher

    def arranged(self, task: Task) -> Teacher:
        """This teacher with its columns in the order of ``task.labels``, matched by name.

        Raises:
            TeacherError: the label names differ; the message shows both.
        """
        own = {label.casefold(): column for column, label in enumerate(self.task.labels)}
        wanted = [label.casefold() for label in task.labels]
        if sorted(own) != sorted(wanted):
            raise TeacherError(
                f"The teacher {self.name!r} does not answer this task. Its labels: {list(self.task.labels)}. "
                f"The task's labels: {list(task.labels)}. Rename one side (--teacher-labels names the "
                "teacher's columns in order), or choose another teacher."
            )
        arranged = Teacher(self.module, self.tokenizer, task, name=self.name, precision=self.precision)
        arranged.columns = self.columns[[own[label] for label in wanted]]
        return arranged

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def fingerprint(self) -> str:
        """SHA-256 over weights, tokeniser, label names, column order, precision and length limit."""
        total = hashlib.sha256()
        for name, value in sorted(self.module.state_dict().items()):
            total.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
            total.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        rest = [list(self.task.labels), self.columns.tolist(), self.precision, self.longest]
        # Each call of the tokeniser leaves its truncation and padding behind; `longest` says what counts.
        rule = json.loads(self.tokenizer.backend_tokenizer.to_str()) | {"truncation": None, "padding": None}
        total.update(digest([*rest, rule]).encode())
        return total.hexdigest()

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Tokenise texts, each cut to ``longest`` tokens."""
        return encode(self.tokenizer, texts, self.longest)

    def logits(self, texts: Sequence[str]) -> FloatArray:
        """Logits ``(n, c)`` float32; texts are batched by length under a budget of tokens."""
        return self.logits_of(self.encode(texts))

    def logits_of(self, encoded: Encoded) -> FloatArray:
        """Logits ``(n, c)`` of texts that are tokenised already."""
        answers = np.zeros((len(encoded.lengths), len(self.task.labels)), dtype=np.float32)
        with torch.inference_mode():
            for rows in budgeted_batches(encoded.lengths, TOKEN_BUDGET):
                answers[rows] = self.module(**encoded.batch(rows)).float().numpy()[:, self.columns]
        return answers

    def save(self, folder: Path) -> None:
        """Write weights, tokeniser and label names, as `from_pretrained` reads them."""
        # The head's rows stay where they are: the name of row ``columns[i]`` is label i.
        names = [self.task.labels[i] for i in np.argsort(self.columns)]
        with quiet():
            if isinstance(self.module, MeanPooled):
                self.module.body.save_pretrained(folder)  # type: ignore[operator]
                save_file(dict(self.module.head.state_dict()), folder / HEAD_FILE)
                facts = {"pooling": "mean", "labels": names}
                (folder / FACTS_FILE).write_text(json.dumps(facts, indent=2), encoding="utf-8")
            else:
                model: Any = self.module.model
                model.config.id2label = dict(enumerate(names))
                model.config.label2id = {label: column for column, label in enumerate(names)}
                model.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)


def encode(tokenizer: Any, texts: Sequence[str], longest: int) -> Encoded:
    """Tokenise texts as a transformer does, special tokens included, each cut to ``longest`` tokens."""
    inputs = dict(tokenizer(list(texts), truncation=True, max_length=longest)) if len(texts) else {}
    lengths = np.array([len(ids) for ids in inputs.get("input_ids", [])], dtype=np.int64)
    return Encoded(inputs, lengths, tokenizer.pad_token_id or 0)


def longest_input(tokenizer: Any, module: nn.Module) -> int:
    """Tokens that the model reads of a text, at most."""
    limits = [LONGEST, int(tokenizer.model_max_length)]
    config = next((m.config for m in module.modules() if hasattr(m, "config")), None)
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        # Families that follow RoBERTa number positions from the padding id + 1, and say so in the table.
        tables = (m for name, m in module.named_modules() if name.endswith("position_embeddings"))
        padding = next((getattr(table, "padding_idx", None) for table in tables), None)
        limits.append(positions if padding is None else positions - padding - 1)
    return min(limits)


def _check_precision(precision: str) -> None:
    if precision not in PRECISIONS:
        raise TeacherError(f"Unknown precision {precision!r}. Known: {', '.join(PRECISIONS)}.")


def load_config(source: Source) -> Any:
    """The model's `transformers` config.

    Raises:
        TeacherError: it cannot be had, for instance offline.
    """
    with explained(source):
        return AutoConfig.from_pretrained(source.location)


def load_tokenizer(source: Source) -> Any:
    """The model's tokeniser."""
    with explained(source):
        return AutoTokenizer.from_pretrained(source.location)


def load_body(source: Source) -> Any:
    """The encoder without a head, in float32."""
    with explained(source):
        return AutoModel.from_pretrained(source.location, dtype=torch.float32)


def is_finetuned(source: Source, config: Any) -> bool:
    """Whether the weights bring a classification head."""
    if any(name.endswith("ForSequenceClassification") for name in config.architectures or ()):
        return True
    return read_optional_json(source, FACTS_FILE) is not None


def _load_module(source: Source, facts: Mapping[str, Any] | None) -> nn.Module:
    if facts is None:
        with explained(source):
            return Headed(
                AutoModelForSequenceClassification.from_pretrained(source.location, dtype=torch.float32)
            )
    module = MeanPooled(load_body(source), len(facts["labels"]))
    head = Path(source.location) / HEAD_FILE
    if not head.is_file():
        raise TeacherError(f"{head} is missing. Fine-tune the teacher again.")
    try:
        module.head.load_state_dict(load_file(head))
    except (SafetensorError, RuntimeError) as error:
        raise TeacherError(f"{head} is damaged: {error}. Fine-tune the teacher again.") from error
    return module


def _config_labels(config: Any) -> tuple[str, ...]:
    names = {int(column): str(label) for column, label in config.id2label.items()}
    return tuple(names[column] for column in sorted(names))


@contextlib.contextmanager
def explained(source: Source) -> Iterator[None]:
    """Turn what loading raises into one sentence that says what to do."""
    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0]
        raise TeacherError(
            f"The teacher {source.name!r} cannot be loaded from {source.location!r}: {first} Check the name; "
            "offline, give a folder, or install `understudy[demo]` for the default teacher."
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep `transformers` from drawing bars and warnings of its own over ours."""
    before = transformers.logging.get_verbosity()
    had_bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)
        if had_bars:
            transformers.logging.enable_progress_bar()
