"""Write a trained student as a folder that answers without torch. The last room that imports torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from understudy._version import __version__
from understudy.core.manifest import publish, verify
from understudy.core.task import Gold, Item
from understudy.export.folded import bound_of, folded_file
from understudy.export.int8 import Decision, quantise
from understudy.export.parity import parity
from understudy.export.pruning import NONE, RowChoice, choose_rows
from understudy.export.table_precision import TableChoice, choose_table
from understudy.runtime.bag_format import BagWeights, pack_bag
from understudy.runtime.fast_format import (
    BAGS,
    CONVOLUTIONS,
    FOLDED,
    MATRICES,
    SERVED,
    TAGGERS,
    Weights,
    beyond_limits,
    pack,
)
from understudy.runtime.fast_header import fingerprint
from understudy.runtime.fast_rule import Rule, rule_of
from understudy.runtime.layout import FORMAT, Layout
from understudy.runtime.matrix_format import HEADS, Hidden, MatrixWeights, pack_matrices
from understudy.runtime.window_format import unfit
from understudy.students.registry import describe
from understudy.tokenization.encoding import inputs_of
from understudy.tokenization.ngrams import NgramVocabulary
from understudy.tokenization.words import WordVocabulary
from understudy.training.torch_student import TorchStudent


def export(
    student: TorchStudent,
    folder: Path,
    *,
    teacher: Mapping[str, object],
    about: Mapping[str, object],
    quantize: str = "none",
    table: str = "float32",
    prune: float | str = NONE,
    texts: Sequence[Item] = (),
    dev: tuple[Sequence[Item], Gold] | None = None,
) -> float:
    """Write a student as config, vocabulary, weights and graph, and compare the graph with torch first.

    ``model.onnx`` is the graph that serves. Where that is the int8 one, the float graph is not kept: the
    weights in ``model.safetensors`` are, and it was the float graph that was compared with torch.

    Args:
        student: A trained student.
        folder: Where to write it; replaced as a whole, or left as it was where anything fails.
        teacher: ``name`` and ``fingerprint`` of the teacher, empty for a student that had none.
        about: Facts for the manifest.
        quantize: Whether an int8 graph may serve: ``none``, ``auto`` or ``int8`` (`understudy.export.int8`).
        table: Precision of the rows in ``model.fast``: ``auto`` or one of
            `understudy.runtime.fast_format.TABLES`.
        prune: Share of the rows of words and n-grams that is kept, ``auto`` or ``none``
            (`understudy.export.pruning`); it is decided before the precision of those rows.
        texts: Labelled items of train, in which words and n-grams are counted; needed to prune.
        dev: Items and gold labels, on which all of these are decided.

    Returns:
        The largest difference found, in logits.

    Raises:
        RecipeError: ``quantize``, ``table`` or ``prune`` is unknown, does not fit the student, or needs items
            that are missing.
        ExportError: the graph's logits differ from torch's by more than `TOLERANCE`.
    """
    student, rows = choose_rows(student, prune, texts, dev)
    reason = beyond_c(student) if reads_as_in_c(student) else ""
    is_fast = reads_as_in_c(student) and not reason
    has_table = is_fast and quantize != "int8"
    student, choice = choose_table(student, table, dev, is_fast=has_table, reason=reason)

    with publish(folder, about) as aside:
        layout = Layout(aside)
        graph = student.module.to_onnx().SerializeToString()
        difference = parity(student, graph)
        graph, decision = quantise(student, graph, quantize, dev, is_fast=is_fast)

        layout.onnx.write_bytes(graph)
        save_file(dict(student.module.state_dict()), layout.weights)
        student.vocabulary.save(layout.tokenizer)
        if student.spelling is not None:
            student.spelling.save(layout.spelling)
        fast = None if decision.is_int8 else flat_file(student, choice.form)
        if fast is not None:
            layout.fast.write_bytes(fast)

        config = _config(student, decision, choice, teacher=teacher, largest_difference=difference, fast=fast)
        _write(layout.config, config | _pruning(rows))
        _write(layout.report, {"note": "This student was exported, but not evaluated yet."})
        layout.card.write_text(f"# {student.name}\n\nNot evaluated yet.\n", encoding="utf-8")
    return difference


def _config(
    student: TorchStudent,
    decision: Decision,
    choice: TableChoice,
    *,
    teacher: Mapping[str, object],
    largest_difference: float,
    fast: bytes | None,
) -> dict[str, object]:
    """What ``config.json`` says; `understudy.runtime.config_file` checks it when the folder is opened."""
    module = student.module

    return {
        "format": FORMAT,
        "task": student.task.to_dict(),
        "student": describe(student.name, module),
        "parameters": student.parameters,
        "vocabulary": {"kind": student.vocabulary.kind, "size": len(student.vocabulary)},
        "teacher": teacher,
        "onnx": {
            "inputs": inputs_of(module.form, is_spelled=module.is_spelled),
            "output": "logits",
            "largest_difference": largest_difference,
            "precision": decision.precision,
        },
        "quantisation": {**decision.to_dict(), "table": asdict(choice)},
        **({} if fast is None else {"fast": {"fingerprint": fingerprint(fast)} | _bound(student, choice)}),
        "versions": {name: version(name) for name in ("torch", "onnx", "onnxruntime", "numpy")}
        | {"understudy": __version__},
    }


def _bound(student: TorchStudent, choice: TableChoice) -> dict[str, float]:
    """By how much a logit of `model.fast` may differ from the graph's, where its rows alone are rounded.

    Through LSTMs no useful bound follows: ``quantisation.table.moved`` says what was found on dev.
    """
    bound = bound_of(student, choice.form) if student.name in FOLDED else None
    return {} if bound is None else {"bound": bound}


def _pruning(rows: RowChoice) -> dict[str, object]:
    """What ``config.json`` says of rows that were left out, where that was asked for."""
    return {} if rows.wanted == NONE else {"pruning": asdict(rows)}


def reads_as_in_c(student: TorchStudent) -> bool:
    """Whether the C extension knows the architecture and the splitting rule; see `beyond_c` for the rest."""
    if student.name in TAGGERS:
        return student.module.form == "tokens" and isinstance(student.vocabulary, WordVocabulary)
    reads_one_text = student.module.form == "text" and student.task.texts == 1
    has_place = student.name in BAGS or not isinstance(student.vocabulary, NgramVocabulary)
    is_served = student.name in SERVED and has_place and reads_one_text
    return is_served and rule_of(student.vocabulary) is not None


def beyond_c(student: TorchStudent) -> str:
    """Why sizes or parts of words of a student are beyond the C extension; empty where nothing is."""
    config, vocabulary = student.module.config, student.vocabulary
    if student.name in TAGGERS:
        traits = 0 if student.spelling is None else len(student.spelling)
        return unfit(student.spelling) or beyond_limits(
            vocabulary=len(vocabulary) + traits,
            width=0,
            hidden=config.hidden,
            labels=len(student.task.labels),
            seen=2 * config.reach + 1,
        )
    if isinstance(vocabulary, NgramVocabulary) and vocabulary.parts is not None:
        return "it reads parts of words (characters=true), which the C extension does not"
    if student.name in MATRICES:
        return _beyond_matrices(student)
    if student.name in FOLDED:
        is_convolution = student.name in CONVOLUTIONS
        sizes: dict[str, int] = (
            {"filters": student.module.encoder.width, "kernel": config.widest}
            if is_convolution
            else {"units": config.hidden, "layers": config.layers}
        )
        labels = len(student.task.labels)
        return beyond_limits(vocabulary=len(vocabulary), width=0, hidden=0, labels=labels, **sizes)
    if isinstance(vocabulary, NgramVocabulary):
        words, grams, longest = len(vocabulary.base), len(vocabulary.table), vocabulary.table.longest
    else:
        words, grams, longest = len(vocabulary), 0, getattr(config, "longest", 0)
    return beyond_limits(
        vocabulary=words,
        grams=grams,
        width=config.width,
        hidden=getattr(config, "hidden", 0),
        labels=len(student.task.labels),
        buckets=getattr(config, "buckets", 0),
        longest=longest,
        gram_weight=getattr(config, "gram_weight", 0.0),
    )


def _beyond_matrices(student: TorchStudent) -> str:
    """The same of a student of matrices."""
    config = student.module.config
    if config.head not in HEADS:
        return f"its head is {config.head!r}, but the C extension has {' and '.join(HEADS)}"
    return beyond_limits(
        vocabulary=len(student.vocabulary),
        width=config.vector,
        hidden=config.hidden if config.head == "mlp" else 0,
        labels=len(student.task.labels),
        square=config.size,
    )


def flat_file(student: TorchStudent, table: str = "float32") -> bytes | None:
    """`model.fast` of a student that the C extension can serve; ``None`` for every other."""
    rule = rule_of(student.vocabulary) if reads_as_in_c(student) and not beyond_c(student) else None
    if rule is None:
        return None

    if student.name in BAGS:
        return _bag_file(student, rule, table)
    if student.name in FOLDED:
        return folded_file(rule, student, table)
    if student.name in MATRICES:
        return pack_matrices(rule, _matrices(student), table)

    state = {name: tensor.numpy() for name, tensor in student.module.state_dict().items()}
    config = student.module.config
    weights = Weights(
        embedding=state["encoder.embedding.weight"],
        hidden=state["head.hidden.weight"],
        hidden_bias=state["head.hidden.bias"],
        output=state["head.output.weight"],
        output_bias=state["head.output.bias"],
        grams=state.get("encoder.grams.weight"),
        longest=getattr(config, "longest", 0),
        gram_weight=getattr(config, "gram_weight", 0.0),
    )
    return pack(rule, weights, table)


def _bag_file(student: TorchStudent, rule: Rule, table: str) -> bytes:
    """`model.fast` of a weighted bag."""
    state = {name: tensor.numpy() for name, tensor in student.module.state_dict().items()}
    vocabulary, weights = student.vocabulary, state["encoder.weights"]
    grams = vocabulary.table if isinstance(vocabulary, NgramVocabulary) else None
    layers = ("head.hidden.weight", "head.hidden.bias", "head.output.weight")

    bag = BagWeights(
        state["encoder.rows"] * weights[:, None],
        weights**2,
        state["head.output.bias"],
        np.zeros((0, 2), dtype=np.int32) if grams is None else grams.pairs,
        1 if grams is None else grams.longest,
        *(state.get(name) if student.module.config.width else None for name in layers),
    )
    return pack_bag(rule, bag, table)


def _matrices(student: TorchStudent) -> MatrixWeights:
    """The weights of a student of matrices."""
    state = {name: tensor.numpy() for name, tensor in student.module.state_dict().items()}
    config = student.module.config
    layer = Hidden(state["head.hidden.weight"], state["head.hidden.bias"]) if config.head == "mlp" else None

    return MatrixWeights(
        state["encoder.embedding.weight"],
        config.size,
        config.directions,
        state["head.norm.weight"],
        state["head.norm.bias"],
        state["head.output.weight"],
        state["head.output.bias"],
        layer,
    )


def annotate(folder: Path, *, report: Mapping[str, object], card: str) -> bool:
    """Put a student's report and model card into its folder, replacing it as a whole.

    Returns:
        Whether anything changed.
    """
    about = {key: value for key, value in verify(folder).items() if key != "files"}
    old = Layout(folder)
    new_report = json.dumps(report, indent=2) + "\n"
    if old.report.read_text(encoding="utf-8") == new_report and old.card.read_text(encoding="utf-8") == card:
        return False
    with publish(folder, about) as aside:
        new = Layout(aside)
        vocabulary = (old.tokenizer, old.ngrams, old.characters, old.spelling)
        for path in (old.config, *vocabulary, old.weights, old.onnx, old.fast):
            if path.exists():
                (aside / path.name).write_bytes(path.read_bytes())
        new.report.write_text(new_report, encoding="utf-8")
        new.card.write_text(card, encoding="utf-8")
    return True


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
