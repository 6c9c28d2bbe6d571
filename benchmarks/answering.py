"""Who answers: students by every path, and their peers, each from a raw string to a label."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from understudy.core.configs import TrainingConfig
from understudy.core.task import Gold, Task
from understudy.data import load_dataset
from understudy.export.folder import export
from understudy.runtime import load
from understudy.runtime.layout import Layout
from understudy.teachers.transformer import Teacher
from understudy.tokenization.wordpiece import teacher_vocabulary
from understudy.training.baseline.model import fit_baseline
from understudy.training.fit import fit
from understudy.training.transfer_set import TransferSet

SEED = 0
EPOCHS = {"bilstm.v1": 3, "hybrid.v1": 3, "kim-cnn.v1": 8}
"""Passes of students that take long; the others have 20. With ``--quick`` all have fewer."""
TABLES = {
    "kim-cnn": {"kim-cnn": "auto"},
    "bilstm": {"bilstm": "float32", "bilstm, int8": "int8"},
    "hybrid": {"hybrid": "float32", "hybrid, int8": "int8"},
}
"""Names of a student's folders, and the precision of the rows in each; else there is one, in float32."""
BY_RUNTIME = ("bilstm", "hybrid")
"""Students that ONNX Runtime answers, too: `cbow` has a row for each way."""


@dataclass(frozen=True)
class Data:
    """Texts with labels, and where they come from."""

    origin: str
    task: Task
    train: tuple[list[str], Gold]
    dev: tuple[list[str], Gold]
    test: tuple[list[str], Gold]


@dataclass(frozen=True)
class Contestant:
    """One that answers.

    Attributes:
        one: a text → its label.
        many: texts → their labels, by one thread.
        twice: the same by two threads, where it has such a way.
        path: file or folder that it needs on disk.
    """

    one: Callable[[str], Any]
    many: Callable[[list[str]], Any]
    twice: Callable[[list[str]], Any] | None = None
    path: Path | None = None


def data(quick: bool) -> Data:
    """SST-2 where ``UNDERSTUDY_DATA`` holds it, else the bundled set."""
    folder = os.environ.get("UNDERSTUDY_DATA")
    origin = "sst2" if folder and Path(folder, "sst2").is_dir() else "bundled:concierge"
    found = load_dataset(origin)
    most = 2000 if quick else None

    def split(part: Any) -> tuple[list[str], Gold]:
        return list(part.texts)[:most], np.asarray(part.labels)[:most]

    return Data(origin, found.task, split(found.train), split(found.dev), split(found.test))


def students(given: Data, teacher: Path, folder: Path, quick: bool) -> dict[str, Path]:
    """Train the students on gold labels, and export them: name → folder."""
    transfer = TransferSet(tuple(given.train[0]), given.train[1])
    wanted = {
        "cbow": ("cbow.v1", {}),
        "cbow, own pieces": ("cbow.v1", {"vocabulary": "wordpiece"}),
        "cbow, teacher's pieces": ("cbow.v1", {"vocabulary": "teacher"}),
        "dan": ("dan.v1", {}),
        "linear": ("linear.v1", {}),
        "cbow.v2": ("cbow.v2", {}),
        "dan.v2": ("dan.v2", {}),
        "kim-cnn": ("kim-cnn.v1", {}),
        "bilstm": ("bilstm.v1", {}),
        "hybrid": ("hybrid.v1", {}),
    }
    tokenizer = Teacher.from_pretrained(teacher).tokenizer
    vocabulary = teacher_vocabulary(json.loads(tokenizer.backend_tokenizer.to_str()), tokenizer.pad_token)
    made = {}
    for name, (student, more) in wanted.items():
        epochs = EPOCHS.get(student, 20)
        trained = fit(
            student,
            given.task,
            transfer,
            given.dev,
            seed=SEED,
            config=TrainingConfig(epochs=-(-epochs // 4) if quick else epochs, **more),
            teacher_vocabulary=vocabulary,
        )
        for title, table in TABLES.get(name, {name: "float32"}).items():
            made[title] = folder / re.sub(r"\W+", "-", title)
            export(trained.student, made[title], teacher={}, about={}, table=table, dev=given.dev)
    return made


@contextmanager
def reference() -> Iterator[None]:
    """Students that are loaded here take the reference path."""
    before = os.environ.get("UNDERSTUDY_FAST")
    os.environ["UNDERSTUDY_FAST"] = "0"
    try:
        yield
    finally:
        os.environ.pop("UNDERSTUDY_FAST")
        if before is not None:
            os.environ["UNDERSTUDY_FAST"] = before


def ours(folders: dict[str, Path], given: Data) -> dict[str, Contestant]:
    """The students by the C extension, by the reference path, and by what others would write."""
    found = {}
    for name, folder in folders.items():
        model, double = load(folder), load(folder, threads=2)
        path = Layout(folder).fast if model.fast else Layout(folder).onnx
        if model.fast is not None and name == "cbow":
            found["cbow"] = Contestant(model.fast.label, model.fast.predict, double.fast.predict, path)
        row = "cbow, model.predict" if name == "cbow" else name
        if model.fast is None:
            row += ", ONNX Runtime"
        found[row] = Contestant(model.predict, model.predict, double.predict, path)
    with reference():
        for name in (each for each in BY_RUNTIME if each in folders):
            slow, double = load(folders[name]), load(folders[name], threads=2)
            path = Layout(folders[name]).onnx
            found[f"{name}, ONNX Runtime"] = Contestant(slow.predict, slow.predict, double.predict, path)
        slow, double = load(folders["cbow"]), load(folders["cbow"], threads=2)
    found["cbow, Python + ONNX Runtime"] = Contestant(slow.predict, slow.predict, double.predict)
    found["cbow, Python + numpy"] = by_numpy(folders["cbow"], slow)
    found["cbow, tokenizers + ONNX Runtime"] = by_library(folders["cbow"], slow)
    baseline = fit_baseline(given.task, *given.train, *given.dev, seed=SEED)

    def linear(texts: list[str]) -> list[str]:
        return given.task.answers(baseline.logits(texts))

    found["TF-IDF + LR, ours"] = Contestant(lambda text: linear([text])[0], linear)
    return found


def by_numpy(folder: Path, model: Any) -> Contestant:
    """Split, look up, mean, two layers: the student in a dozen lines of numpy."""
    from safetensors.numpy import load_file

    state = load_file(Layout(folder).weights)
    parts = ("encoder.embedding", "head.hidden", "head.output")
    table, hidden, output = (np.ascontiguousarray(state[f"{part}.weight"].T) for part in parts)
    table, biases = table.T.copy(), [state[f"{part}.bias"] for part in parts[1:]]
    encode, labels = model.vocabulary.encode, model.task.labels

    def one(text: str) -> str:
        features = table[encode(text)].mean(axis=0)
        active = np.maximum(features @ hidden + biases[0], 0)
        return labels[int((active @ output + biases[1]).argmax())]

    return Contestant(one, lambda texts: [one(text) for text in texts])


def by_library(folder: Path, model: Any) -> Contestant:
    """The portable files as any program would use them."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Layout(folder).tokenizer))
    session, labels = model.reference.session, model.task.labels

    def one(text: str) -> str:
        ids = tokenizer.encode(text).ids or [1]
        feeds = {"ids": np.array([ids]), "lengths": np.array([len(ids)])}
        return labels[int(session.run(["logits"], feeds)[0][0].argmax())]

    def many(texts: list[str]) -> list[str]:
        found = []
        for start in range(0, len(texts), 256):
            rows = [row.ids or [1] for row in tokenizer.encode_batch_fast(texts[start : start + 256])]
            lengths = np.array([len(row) for row in rows])
            ids = np.zeros((len(rows), lengths.max()), dtype=np.int64)
            ids[np.arange(ids.shape[1]) < lengths[:, None]] = np.concatenate(rows)
            found += session.run(["logits"], {"ids": ids, "lengths": lengths})[0].argmax(axis=1).tolist()
        return [labels[number] for number in found]

    return Contestant(one, many)


def others(given: Data, teacher: Any, folder: Path) -> tuple[dict[str, Contestant], list[str]]:
    """Peers, trained here, and what is to be said of those that are missing."""
    makers = {"fastText": fast_text, "model2vec": model_2_vec, "TF-IDF + LR, scikit-learn": scikit_learn}
    found, notes = {}, []
    for name, make in makers.items():
        try:
            found[name] = make(given, teacher, folder)
        except ImportError as error:
            notes.append(f"{name} is missing: {error}. pip install 'understudy[bench]'")
        except RuntimeError as error:
            notes.append(f"{name} is missing: {error}.")
    return found, notes


def fast_text(given: Data, _: Any, folder: Path) -> Contestant:
    """A supervised classifier of fastText's: words alone, of the student's width."""
    import fasttext

    lines = zip(given.train[0], given.train[1], strict=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.writelines(f"__label__{label} {' '.join(text.lower().split())}\n" for text, label in lines)
        file.flush()
        model = None
        for rate in (0.5, 0.25, 0.1):  # now and then it diverges, and some of its builds always do
            with contextlib.suppress(RuntimeError):
                model = fasttext.train_supervised(
                    file.name, dim=16, epoch=20, lr=rate, minCount=2, thread=1, verbose=0, seed=SEED
                )
                break
    if model is None:
        raise RuntimeError("its training diverged at every rate")
    model.save_model(str(folder / "fasttext.bin"))
    raw, labels = model.f, given.task.labels  # what the wrapper calls: it puts about a microsecond on top

    def one(text: str) -> str:
        return labels[int(raw.predict(text.lower() + "\n", 1, 0.0, "strict")[0][1][9:])]

    def many(texts: list[str]) -> list[str]:
        found, _ = raw.multilinePredict([text.lower() + "\n" for text in texts], 1, 0.0, "strict")
        return [labels[int(label[0][9:])] for label in found]

    return Contestant(one, many, path=folder / "fasttext.bin")


def model_2_vec(given: Data, teacher: Any, folder: Path) -> Contestant:
    """A static model of the teacher's input embeddings, 256 principal components, with a linear head.

    `model2vec.distill` refuses the installed `transformers`; what a text costs is the same.
    """
    from model2vec import StaticModel
    from model2vec.inference import StaticModelPipeline
    from model2vec.inference.mlp import Activation, Layer, MLPHead
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    table = next(part for part in teacher.module.modules() if isinstance(part, torch.nn.Embedding))
    vectors = PCA(256, random_state=SEED).fit_transform(table.weight.detach().numpy()).astype(np.float32)
    model = StaticModel(vectors, teacher.tokenizer.backend_tokenizer, normalize=True)
    head = LogisticRegression(C=10, max_iter=300).fit(model.encode(given.train[0]), given.train[1])
    weight, bias = head.coef_, head.intercept_
    if len(weight) == 1:
        weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    layer = Layer(weight.astype(np.float32), bias.astype(np.float32))
    pipeline = StaticModelPipeline(
        model, MLPHead([layer], Activation.SOFTMAX, np.array(given.task.labels)[head.classes_])
    )
    pipeline.save_pretrained(str(folder / "model2vec"))

    def many(texts: list[str]) -> Any:
        return pipeline.predict(texts, use_multiprocessing=False)

    return Contestant(lambda text: many([text])[0], many, path=folder / "model2vec")


def scikit_learn(given: Data, _: Any, __: Path) -> Contestant:
    """The pipeline of every tutorial."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=300))
    model.fit(given.train[0], np.array(given.task.labels)[given.train[1]])
    return Contestant(lambda text: model.predict([text])[0], model.predict)
