"""How many sentences a second matrix students multiply: every algorithm, beside two transformers.

All run in one process and in turns, on random matrices near the identity; answers and gradients are compared
with the loop's first. The transformers get batches of 1,024 tokens, which suit their caches best. `hybrid.v1`
as a whole, from ids to logits, in C, in torch and in ONNX Runtime, stands in the same table. `from the table`
begins with ids: C multiplies rows where they lie, torch gathers matrices first. One thread is timed by the
process's time, several by the wall's clock; ratios are medians over turns.
Run: python benchmarks/matrix.py [--size 20] [--tokens 16384] [--repeats 3] [--lengths 16 64 512]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import truediv
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from understudy.evaluation.machine import describe_machine
from understudy.students import Ragged, build
from understudy.students.layers.matrix import PREFIXES, PRODUCTS, prefix_products, product
from understudy.students.layers.products import features_of, why_not

TOLERANCE = 1e-5
"""Largest difference from the loop, relative to the largest entry (which is about 1, or more)."""

SLICED = 64
"""Longest text whose gradients are taken through slices: each slice costs a gradient of full size."""

TRANSFORMER_TOKENS = 1024
WORDS = 5000

Function = Callable[[], object]

LOOP = "gather + loop"


def sliced(matrices: Tensor) -> Tensor:
    """The loop as it is usually written."""
    running = matrices[:, 0]
    for place in range(1, matrices.shape[1]):
        running = running @ matrices[:, place]
    return running


def chosen(function: Callable[..., Tensor], name: str) -> Callable[[Tensor], Tensor]:
    return lambda matrices: function(matrices, algorithm=name)


def products() -> dict[str, Callable[[Tensor], Tensor]]:
    """Every way to the product of all matrices; ``product`` chooses by itself."""
    named = {name: chosen(product, name) for name in PRODUCTS}
    return {"sliced loop": sliced, **named, "product": product}


def prefixes() -> dict[str, Callable[[Tensor], Tensor]]:
    """Every way to the products up to each place; ``prefix_products`` chooses by itself."""
    return {**{name: chosen(prefix_products, name) for name in PREFIXES}, "prefix_products": prefix_products}


def gradients(function: Callable[[Tensor], Tensor], matrices: Tensor) -> Tensor:
    """Forward and backward: the gradient of the sum of all entries."""
    with torch.enable_grad():
        leaf = matrices.detach().requires_grad_()
        return torch.autograd.grad(function(leaf).sum(), leaf)[0]


def difference(functions: dict[str, Callable[[Tensor], Tensor]], matrices: Tensor) -> float:
    """Largest difference from the loop, in values and gradients, relative to the largest entry.

    Raises:
        SystemExit: it is larger than `TOLERANCE`.
    """
    value, slope = functions["loop"](matrices), gradients(functions["loop"], matrices)
    largest = 0.0
    for function in functions.values():
        found = [(function(matrices), value), (gradients(function, matrices), slope)]
        largest = max(largest, *(float((a - b).abs().max() / b.abs().max().clamp(min=1)) for a, b in found))
    if largest > TOLERANCE:
        raise SystemExit(f"The algorithms differ by {largest:.1e}, more than {TOLERANCE}.")
    return largest


def transformer(layers: int, width: int) -> torch.nn.Module:
    """A BERT body with random weights, without dropout."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=width // 32 if width > 128 else 2,
        intermediate_size=4 * width,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return BertModel(config).eval()


def runtime() -> Callable[[np.ndarray], object]:
    """`hybrid.v1` in ONNX Runtime, ids to logits."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    content = build("hybrid.v1", 2, seed=0, vocabulary_size=WORDS).to_onnx().SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda ids: session.run(None, {"ids": ids, "lengths": np.full(len(ids), ids.shape[1])})


def rates(functions: dict[str, tuple[int, Function]], repeats: int) -> dict[str, list[float]]:
    """Sentences a second of each function in each of ``repeats`` turns, after a warm-up.

    Each turn begins with another function, so that none always follows one that leaves memory in disorder.

    Args:
        functions: name → texts of one call, and the call.
        repeats: turns.
    """
    found: dict[str, list[float]] = {name: [] for name in functions}
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    names = list(functions)
    for turn in range(repeats + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            texts, function = functions[name]
            started = clock()
            function()
            if turn:
                found[name].append(texts / (clock() - started))
    return found


@contextmanager
def torch_alone() -> Iterator[None]:
    """Students do not ask C."""
    with patch("understudy.students.cmow.why_not", lambda *_: "torch is asked for"):
        yield


class Contest:
    """Everything that is compared at one length."""

    def __init__(
        self, models: dict[str, torch.nn.Module], onnx: Callable[[np.ndarray], object], size: int
    ) -> None:
        self.models, self.onnx, self.size = models, onnx, size
        self.table = 0.01 * torch.randn(WORDS, size**2)
        self.student = build("hybrid.v1", 2, seed=0, vocabulary_size=WORDS).eval()

    def purposes(self, matrices: Tensor) -> dict[str, dict[str, tuple[int, Function]]]:
        """Purpose → name → texts of one call, and the call."""
        texts, length = matrices.shape[:2]
        draw = np.random.default_rng(0)
        ids = draw.integers(3, WORDS, (texts, length))
        batch = Ragged(torch.from_numpy(ids.ravel()), torch.full((texts,), length))
        few = torch.from_numpy(draw.integers(3, WORDS, (max(1, TRANSFORMER_TOKENS // length), length)))
        forward = {name: (texts, lambda f=f: f(matrices)) for name, f in products().items()}
        forward["loop, one row"] = (texts, lambda: product(matrices, rows=1, algorithm="loop"))
        if not why_not(self.table, self.size, 0):
            forward["hybrid.v1, C"] = (texts, lambda: self.student(batch))
        forward["hybrid.v1, torch"] = (texts, torch_alone()(lambda: self.student(batch)))
        forward["hybrid.v1, ONNX Runtime"] = (texts, lambda: self.onnx(ids))
        backward = {
            name: (texts, lambda f=f: gradients(f, matrices))
            for name, f in products().items()
            if name != "sliced loop" or length <= SLICED
        }
        places = {name: (texts, lambda f=f: f(matrices)) for name, f in prefixes().items()}
        for name, model in self.models.items():
            forward[name] = (len(few), lambda model=model: model(few).last_hidden_state)
            backward[name] = (len(few), lambda model=model: learn(model, few))
        table = {name: (texts, call) for name, call in self.from_table(batch).items()}
        return {
            "forward": forward,
            "from the table": table,
            "forward + backward": backward,
            "prefixes": places,
        }

    def from_table(self, batch: Ragged) -> dict[str, Callable[[], Tensor]]:
        """Products ``(b, d²)`` of texts that are given as ids.

        Raises:
            SystemExit: C's differ from torch's by more than `TOLERANCE`.
        """
        sizes = self.size, self.size

        def gathered(algorithm: str) -> Tensor:
            matrices = torch.unflatten(self.table[batch.padded()], -1, sizes) + torch.eye(self.size)
            return product(matrices, algorithm=algorithm).flatten(1)

        ways: dict[str, Callable[[], Tensor]] = {
            f"gather + {name}": lambda name=name: gathered(name) for name in PRODUCTS
        }
        if not why_not(self.table, self.size, 0):
            ways["C"] = lambda: features_of(self.table, self.size, 1, batch)
            found, value = ways["C"](), ways[LOOP]()
            if float((found - value).abs().max() / value.abs().max().clamp(min=1)) > TOLERANCE:
                raise SystemExit("The products of C and of torch differ.")
        return ways


def learn(model: torch.nn.Module, ids: Tensor) -> None:
    """Forward and backward through a transformer."""
    with torch.enable_grad():
        model.zero_grad()
        model(ids).last_hidden_state.sum().backward()


def show(purpose: str, length: int, found: dict[str, list[float]]) -> list[dict[str, object]]:
    """Print medians and ranges, and return them JSON-ready, with ratios to the transformers and the loop."""
    rows = []
    middle = {name: statistics.median(values) for name, values in found.items()}
    for name, values in found.items():
        ratios = {
            f"over {base}": statistics.median(map(truediv, values, found[base]))
            for base in (*TRANSFORMERS, LOOP)
            if base in found
        }
        written = "  ".join(f"{ratio:7,.1f} x {base[5:]}" for base, ratio in ratios.items())
        print(f"  {name:<24} {middle[name]:>10,.0f}/s  ({min(values):,.0f}-{max(values):,.0f})  {written}")
        rows.append(
            {
                "purpose": purpose,
                "tokens": length,
                "name": name,
                "median_per_s": middle[name],
                "range_per_s": [min(values), max(values)],
                **ratios,
            }
        )
    return rows


TRANSFORMERS = {"BERT-tiny": (2, 128), "MiniLM-L6": (6, 384)}


def main() -> None:
    """Measure in turns, print medians and spreads, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=20, help="d: rows and columns of a matrix")
    parser.add_argument("--tokens", type=int, default=16_384, help="of a batch of matrices")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 32, 64, 128, 256, 512])
    wanted = parser.parse_args()
    torch.manual_seed(0)
    contest = Contest(
        {name: transformer(*sizes) for name, sizes in TRANSFORMERS.items()}, runtime(), wanted.size
    )
    machine = describe_machine(torch.get_num_threads())
    print(f"{machine['cpu']}, {torch.get_num_threads()} threads; matrices {wanted.size} x {wanted.size}")
    rows, differences = [], {}
    for length in wanted.lengths:
        texts = max(1, wanted.tokens // length)
        matrices = torch.eye(wanted.size) + 0.01 * torch.randn(texts, length, wanted.size, wanted.size)
        with torch.no_grad():
            few = matrices[:4]
            differences[length] = max(difference(products(), few), difference(prefixes(), few))
            print(f"{texts} texts of {length} tokens; largest difference {differences[length]:.1e}")
            for purpose, functions in contest.purposes(matrices).items():
                print(f" {purpose}")
                rows += show(purpose, length, rates(functions, wanted.repeats))
    document = {"benchmark": "matrix", "size": wanted.size, "tokens": wanted.tokens, "rows": rows}
    print(json.dumps({**document, "largest_difference": differences, "machine": machine}))


if __name__ == "__main__":
    main()
