"""Student architectures: modules from frozen configs, a registry of versioned names, their ONNX form."""

from understudy.students import bilstm, cbow
from understudy.students.network import Network
from understudy.students.ragged import Ragged, RaggedTexts
from understudy.students.registry import STUDENTS, Spec, build, rebuild, spec

__all__ = [
    "STUDENTS",
    "Network",
    "Ragged",
    "RaggedTexts",
    "Spec",
    "bilstm",
    "build",
    "cbow",
    "rebuild",
    "spec",
]
