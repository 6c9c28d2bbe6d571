"""A few lines over ``onnx.helper`` to write a student's graph by hand, where exporters go wrong or slow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    import onnx

OPSET = 17
IR_VERSION = 8


class Graph:
    """Nodes and weights, in the order added. Inputs are ``ids (b, t)`` and ``lengths (b,)``, both int64."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, value: Tensor | np.ndarray[Any, Any]) -> str:
        """Add a constant, and return its name."""
        import onnx

        array = value.detach().numpy() if isinstance(value, Tensor) else value
        self.weights.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> list[str]:
        """Add a node, and return the names of its outputs."""
        import onnx

        names = [f"{operator.lower()}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(onnx.helper.make_node(operator, inputs, names, **attributes))
        return names

    def finish(self, logits: str, labels: int) -> onnx.ModelProto:
        """Name the output ``logits (b, labels)``, check the whole, and return it."""
        import onnx
        from onnx import TensorProto, helper

        self.nodes.append(helper.make_node("Identity", [logits], ["logits"]))
        graph = helper.make_graph(
            self.nodes,
            "student",
            [
                helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "tokens"]),
                helper.make_tensor_value_info("lengths", TensorProto.INT64, ["batch"]),
            ],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", labels])],
            self.weights,
        )
        model = helper.make_model(
            graph,
            producer_name="understudy",
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model, full_check=True)
        return model
