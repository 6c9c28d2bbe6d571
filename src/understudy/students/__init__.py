"""Student architectures: modules from frozen configs, a registry of versioned names, their ONNX form."""

from understudy.students import (
    attn_bilstm,
    bert,
    bilstm,
    cbow,
    cbow_v2,
    cmow,
    cnn,
    dan,
    dan_v2,
    hybrid,
    kim_cnn,
    linear,
    window,
)
from understudy.students.layers.ragged import Ragged, RaggedTexts
from understudy.students.network import Network
from understudy.students.registry import STUDENTS, StudentSpec, build, rebuild, spec

__all__ = [
    "STUDENTS",
    "Network",
    "Ragged",
    "RaggedTexts",
    "StudentSpec",
    "attn_bilstm",
    "bert",
    "bilstm",
    "build",
    "cbow",
    "cbow_v2",
    "cmow",
    "cnn",
    "dan",
    "dan_v2",
    "hybrid",
    "kim_cnn",
    "linear",
    "rebuild",
    "spec",
    "window",
]
