"""A few lines over ``onnx.helper`` to write a student's graph by hand, where exporters go wrong or slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

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
            self.weights[name] = onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def linear(self, features: str, layer: nn.Linear, name: str) -> str:
        """Add a linear map over the last axis, and return the name of its output."""
        (product,) = self.add("MatMul", [features, self.weight(f"{name}.w", layer.weight.t())])
        (shifted,) = self.add("Add", [product, self.weight(f"{name}.b", layer.bias)])
        return shifted

    def add(self, operator: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> list[str]:
        """Add a node, and return the names of its outputs."""
        import onnx

        names = [f"{operator.lower()}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(onnx.helper.make_node(operator, inputs, names, **attributes))
        return names

    def finish(
        self, logits: str, labels: int, inputs: Sequence[tuple[str, str]], rank: int = 2
    ) -> onnx.ModelProto:
        """Name the output ``logits``, check the whole, and return it.

        Args:
            logits: name of the last node's output.
            labels: number of logits, c.
            inputs: names of the ids ``(b, t)`` and lengths ``(b,)``, both int64, of each text.
            rank: 2 for logits ``(b, labels)``, 3 for ``(b, t, labels)``.
        """
        import onnx
        from onnx import TensorProto, helper

        self.nodes.append(helper.make_node("Identity", [logits], ["logits"]))
        given = []
        for ids, lengths in inputs:
            given.append(helper.make_tensor_value_info(ids, TensorProto.INT64, ["batch", f"{ids}_tokens"]))
            given.append(helper.make_tensor_value_info(lengths, TensorProto.INT64, ["batch"]))
        shape = ["batch", f"{inputs[0][0]}_tokens"][: rank - 1]
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
