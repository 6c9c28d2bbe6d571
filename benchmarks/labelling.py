"""Teachers that label: `transformers.pipeline`, plain sorted batches, and ours in float32 and bfloat16."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from answering import SEED, Contestant, Data
from contest import Block, Found, rows, turns

from understudy.teachers.source import resolve
from understudy.teachers.transformer import Teacher

MATRIX = 2048
"""Rows and columns of the products that the machine's peak is measured by."""


def make_teacher(given: Data, folder: Path, texts: int) -> Path:
    """MiniLM with a head fitted by logistic regression on what its pooler gives: a teacher in seconds.

    What is fitted decides how near its answers are to each other, so that agreement means something.
    """
    from sklearn.linear_model import LogisticRegression
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    logging.getLogger("transformers").setLevel(logging.ERROR)
    source = str(resolve("minilm").location)
    tokenizer = AutoTokenizer.from_pretrained(source)
    labels = given.task.labels
    model = AutoModelForSequenceClassification.from_pretrained(
        source,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    ).eval()
    chosen = np.random.default_rng(SEED).permutation(len(given.train[0]))[:texts]
    features = []
    with torch.inference_mode():
        for part in np.array_split(chosen, max(1, len(chosen) // 32)):
            batch = tokenizer(
                [given.train[0][i] for i in part], padding=True, truncation=True, return_tensors="pt"
            )
            features.append(model.bert(**batch).pooler_output.numpy())
    fitted = LogisticRegression(C=10, max_iter=300).fit(np.concatenate(features), given.train[1][chosen])
    weight, bias = fitted.coef_, fitted.intercept_
    if len(weight) == 1:
        weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    with torch.no_grad():
        model.classifier.weight[fitted.classes_] = torch.from_numpy(weight).float()
        model.classifier.bias[fitted.classes_] = torch.from_numpy(bias).float()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def by_torch(teacher: Teacher) -> Contestant:
    """The teacher as the project runs it."""

    def many(texts: list[str]) -> Any:
        return teacher.task.answers(teacher.logits(texts))

    return Contestant(lambda text: many([text])[0], many)


def by_runtime(teacher: Teacher, threads: int) -> Contestant:
    """The teacher in ONNX Runtime, float32, single texts and sorted batches of 32."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        graph(teacher), options(threads), providers=["CPUExecutionProvider"]
    )
    names = {value.name for value in session.get_inputs()}
    labels = teacher.task.labels

    def many(texts: list[str]) -> list[str]:
        encoded = teacher.encode(texts)
        found = np.zeros((len(texts), len(labels)), dtype=np.float32)
        order = np.argsort(encoded.lengths, kind="stable")
        for part in np.split(order, range(32, len(order), 32)):
            feeds = {key: value.numpy() for key, value in encoded.batch(part).items() if key in names}
            found[part] = session.run(None, feeds)[0]
        return teacher.task.answers(found[:, teacher.columns])

    return Contestant(lambda text: many([text])[0], many)


def options(threads: int) -> Any:
    """Of a session: threads that do not spin."""
    import onnxruntime

    made = onnxruntime.SessionOptions()
    made.intra_op_num_threads, made.inter_op_num_threads, made.log_severity_level = threads, 1, 3
    return made


def graph(teacher: Teacher) -> bytes:
    """The teacher's ONNX form, by torch's older exporter."""
    import io
    import warnings

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = teacher.module

        def forward(self, input_ids: Any, token_type_ids: Any, attention_mask: Any) -> Any:
            return self.inside(
                input_ids=input_ids, token_type_ids=token_type_ids, attention_mask=attention_mask
            )

    batch = teacher.encode(["one text", "another , longer text"]).batch(np.arange(2))
    names = ["input_ids", "token_type_ids", "attention_mask"]
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Plain().eval(),
            tuple(batch[name] for name in names),
            file,
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "b", 1: "t"} for name in names} | {"logits": {0: "b"}},
            opset_version=17,
            dynamo=False,
        )
    return file.getvalue()


def measure(folder: Path, texts: list[str], repeats: int, threads: int) -> tuple[list[dict[str, Any]], dict]:
    """Rows of labelling, in turns, and what is to be said of them: agreement, and share of the peak."""
    from transformers import pipeline

    torch.set_num_threads(threads)
    full, half = (Teacher.from_pretrained(folder, precision=name) for name in ("float32", "bfloat16"))
    model = full.module.model
    asked = pipeline(
        "text-classification", model=model, tokenizer=full.tokenizer, batch_size=32, device="cpu"
    )
    logits: dict[str, np.ndarray] = {}

    def whole() -> int:
        raw = asked(texts, top_k=None, function_to_apply="none")
        names = [str(model.config.id2label[i]) for i in range(len(full.task.labels))]
        logits["pipeline"] = np.array(
            [[{p["label"]: p["score"] for p in row}[n] for n in names] for row in raw]
        )
        return len(texts)

    def plain() -> int:
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        found = np.zeros((len(texts), len(full.task.labels)), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), 32):
                part = order[start : start + 32]
                batch = full.tokenizer(
                    [texts[i] for i in part], padding=True, truncation=True, return_tensors="pt"
                )
                found[part] = model(**batch).logits.numpy()
        logits["plain"] = found
        return len(texts)

    def own(name: str, teacher: Teacher) -> Block:
        def block() -> int:
            logits[name] = teacher.logits(texts)
            return len(texts)

        return block

    contestants = {
        "transformers.pipeline, batch 32": whole,
        "torch, sorted batches of 32": plain,
        "Teacher.logits, float32": own("float32", full),
        "Teacher.logits, bfloat16": own("bfloat16", half),
    }
    contestants |= {f"matmul {kind}": multiply(kind) for kind in ("float32", "bfloat16")}
    found = turns(contestants, repeats)
    clock = "cpu" if threads == 1 else "wall"
    table = rows(found, "Teacher.logits, float32", clock)
    return table, {**agreement(logits, full.columns), **shares(found, full, texts, clock)}


def ours(folder: Path, texts: list[str]) -> dict[str, Block]:
    """The rows of ours alone, by as many threads as torch has when they are called."""

    def block(teacher: Teacher) -> Block:
        def labelled() -> int:
            teacher.logits(texts)
            return len(texts)

        return labelled

    return {
        f"Teacher.logits, {name}": block(Teacher.from_pretrained(folder, precision=name))
        for name in ("float32", "bfloat16")
    }


def multiply(kind: str) -> Block:
    """Large products; a "text" is one of them."""
    one = torch.randn(MATRIX, MATRIX, generator=torch.Generator().manual_seed(SEED)).to(getattr(torch, kind))

    def block() -> int:
        for _ in range(3):
            one @ one
        return 3

    return block


def agreement(logits: dict[str, np.ndarray], columns: np.ndarray) -> dict[str, float]:
    """Largest move of a logit, and share of labels that agree."""
    base, half, piped = logits["float32"], logits["bfloat16"], logits["pipeline"][:, columns]
    return {
        "float32_largest_move": float(np.abs(base - piped).max()),
        "bfloat16_largest_move": float(np.abs(half - base).max()),
        "bfloat16_agreement": float((half.argmax(axis=1) == base.argmax(axis=1)).mean()),
    }


def shares(found: dict[str, Found], teacher: Teacher, texts: list[str], clock: str) -> dict[str, float]:
    """Share of the measured peak of matrix products that labelling reaches, by the best turn of both.

    Operations: two a weight of the layers and token, and attention's ``4 · t · d`` a token and layer; nothing
    is counted for padding, for the tables, or for what is no product.
    """
    config = teacher.module.model.config
    lengths = teacher.encode(texts).lengths.astype(float)
    weights = (
        config.num_hidden_layers
        * config.hidden_size
        * (4 * config.hidden_size + 2 * config.intermediate_size)
    )
    attention = config.num_hidden_layers * 4 * config.hidden_size * (lengths**2).sum()
    operations = (2 * weights * lengths.sum() + attention) / len(texts)
    told = {}
    for kind in ("float32", "bfloat16"):
        peak = 2 * MATRIX**3 / min(found[f"matmul {kind}"].of(clock))
        told[f"{kind}_peak_gflops"] = peak / 1e9
        told[f"{kind}_share_of_peak"] = operations / min(found[f"Teacher.logits, {kind}"].of(clock)) / peak
    return told
