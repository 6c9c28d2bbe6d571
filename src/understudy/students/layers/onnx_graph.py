"""A few lines over ``onnx.helper`` to write a student's graph by hand, where exporters go wrong or slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from understudy.tokenization.encoding import SPELLING

if TYPE_CHECKING:
    import onnx

OPSET = 17
IR_VERSION = 8


class Graph:
    """Nodes and weights, in the order added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}

    def weight(self, name: str, value: Tensor | np.ndarray[Any, Any]) -> str:
        """Add a constant, once by that name, and return the name."""
        import onnx

        if name not in self.weights:
            array = value.detach().numpy() if isinstance(value, Tensor) else value
            self.weights[name] = onnx.numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def linear(self, features: str, layer: nn.Linear, name: str) -> str:
        """Add a linear map over the last axis, and return the name of its output."""
        return self.affine(features, layer.weight, layer.bias, name)

    def affine(self, features: str, weight: Tensor, bias: Tensor, name: str) -> str:
        """Add ``features · weightᵀ + bias`` over the last axis, and return the name of its output."""
        (product,) = self.add("MatMul", [features, self.weight(f"{name}.w", weight.t())])
        (shifted,) = self.add("Add", [product, self.weight(f"{name}.b", bias)])
        return shifted

    def layer_norm(self, states: str, layer: nn.LayerNorm, name: str) -> str:
        """Add a normalisation of the last axis, and return the name of its output."""
        weights = [self.weight(f"{name}.w", layer.weight), self.weight(f"{name}.b", layer.bias)]
        (normal,) = self.add("LayerNormalization", [states, *weights], axis=-1, epsilon=layer.eps)
        return normal

    def gelu(self, states: str) -> str:
        """Add ``x · Φ(x)``, the exact form, and return the name of its output."""
        (scaled,) = self.add("Div", [states, self.weight("root_two", np.array([2**0.5], dtype=np.float32))])
        (error,) = self.add("Erf", [scaled])
        (doubled,) = self.add("Add", [error, self.weight("one.float", np.array([1], dtype=np.float32))])
        (product,) = self.add("Mul", [states, doubled])
        (halved,) = self.add("Mul", [product, self.weight("half", np.array([0.5], dtype=np.float32))])
        return halved

    def positions(self, ids: str, axis: int = 1) -> str:
        """Add 0, 1 … t - 1, int64 ``(t,)``, t being the size of an axis, and return its name."""
        (shape,) = self.add("Shape", [ids])
        (tokens,) = self.add("Gather", [shape, self.weight(f"axis.{axis}", np.array(axis))])
        zero, step = self.weight("range.start", np.array(0)), self.weight("range.step", np.array(1))
        return self.add("Range", [zero, tokens, step])[0]

    def real(self, ids: str, lengths: str, axis: int = 1) -> str:
        """Add a mask, float ``(b, t)``, of 1 where a word stands and 0 after the end; return its name."""
        (column,) = self.add("Unsqueeze", [lengths, self.weight("axis.last", np.array([-1]))])
        (before,) = self.add("Less", [self.positions(ids, axis), column])
        return self.add("Cast", [before], to=1)[0]

    def masked(self, states: str, real: str) -> str:
        """Put zeros after the end of each text: states ``(b, t, d)`` times the mask of `real`."""
        (column,) = self.add("Unsqueeze", [real, self.weight("axis.last", np.array([-1]))])
        return self.add("Mul", [states, column])[0]

    def mean(self, states: str, real: str) -> str:
        """Add the mean of states ``(b, t, d)`` over real positions, and return the name of ``(b, d)``."""
        axis = self.weight("axis.words", np.array([1]))
        (total,) = self.add("ReduceSum", [self.masked(states, real), axis], keepdims=0)
        (count,) = self.add("ReduceSum", [real, axis], keepdims=1)
        return self.add("Div", [total, count])[0]

    def attention(self, mapped: Sequence[str], real: str, heads: int, width: int) -> str:
        """Add scaled dot-product attention that looks at real positions only.

        Args:
            mapped: Names of queries, keys and values, each ``(b, t, width)``.
            real: Mask of `real`.
            heads: Into which the width is divided.
            width: Width of the states.

        Returns:
            The name of ``(b, t, width)``, the heads side by side.
        """
        divide = self.weight("heads", np.array([0, 0, heads, width // heads]))
        parts = [self.add("Reshape", [name, divide])[0] for name in mapped]
        orders = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
        turned = [self.add("Transpose", [p], perm=order)[0] for p, order in zip(parts, orders, strict=True)]
        (scores,) = self.add("MatMul", turned[:2])
        root = self.weight("root_width", np.array([(width // heads) ** 0.5], dtype=np.float32))
        (scaled,) = self.add("Div", [scores, root])
        (shown,) = self.add("Add", [scaled, self._hidden(real)])
        (shares,) = self.add("Softmax", [shown], axis=-1)
        (mixed,) = self.add("MatMul", [shares, turned[2]])
        (side_by_side,) = self.add("Transpose", [mixed], perm=[0, 2, 1, 3])
        return self.add("Reshape", [side_by_side, self.weight("merge_heads", np.array([0, 0, -1]))])[0]

    def _hidden(self, real: str) -> str:
        """``(b, 1, 1, t)``: 0 where a word stands, so far below it elsewhere that its share is 0."""
        (absent,) = self.add("Sub", [real, self.weight("one.float", np.array([1], dtype=np.float32))])
        (low,) = self.add("Mul", [absent, self.weight("far", np.array([1e9], dtype=np.float32))])
        return self.add("Unsqueeze", [low, self.weight("axis.heads", np.array([1, 2]))])[0]

    def add(self, operator: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> list[str]:
        """Add a node, and return the names of its outputs."""
        import onnx

        names = [f"{operator.lower()}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(onnx.helper.make_node(operator, inputs, names, **attributes))
        return names

    def finish(
        self, logits: str, labels: int, inputs: Sequence[tuple[str, str]], rank: int = 2, kinds: int = 0
    ) -> onnx.ModelProto:
        """Name the output ``logits``, check the whole, and return it.

        Args:
            logits: Name of the last node's output.
            labels: Number of logits, c.
            inputs: Names of the ids ``(b, t)`` and lengths ``(b,)``, both int64, of each text.
            rank: 2 for logits ``(b, labels)``, 3 for ``(b, t, labels)``.
            kinds: Of a graph that reads spelling, how many traits a word has: ``(b, t, kinds)`` int64 is a
                further input.
        """
        import onnx
        from onnx import TensorProto, helper

        self.nodes.append(helper.make_node("Identity", [logits], ["logits"]))
        given = []
        for ids, lengths in inputs:
            given.append(helper.make_tensor_value_info(ids, TensorProto.INT64, ["batch", f"{ids}_tokens"]))
            given.append(helper.make_tensor_value_info(lengths, TensorProto.INT64, ["batch"]))
        tokens = ["batch", f"{inputs[0][0]}_tokens"]
        if kinds:
            given.append(helper.make_tensor_value_info(SPELLING, TensorProto.INT64, [*tokens, kinds]))
        shape = tokens[: rank - 1]
        graph = helper.make_graph(
            self.nodes,
            "student",
            given,
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [*shape, labels])],
            list(self.weights.values()),
        )
        model = helper.make_model(
            graph,
            producer_name="understudy",
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model, full_check=True)
        return model
