import numpy as np
import pytest
import torch

from understudy.students import STUDENTS, Ragged, build

LARGER = 3.0
"""Fresh weights are small, and so are their logits; larger ones let differences show."""


def make_batch(lengths, vocabulary_size, seed=0):
    """A batch of random ids, special ones left out."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(3, vocabulary_size, size=sum(lengths))
    return Ragged(torch.from_numpy(ids), torch.tensor(lengths))


def enlarge(module):
    """Multiply all weights, the zeros of the padding row among them, and switch dropout off."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(LARGER)
    return module.eval()


def answer(module, batch):
    """Logits ``(b, c)`` without gradients, as numpy."""
    with torch.inference_mode():
        return module(batch).numpy()


class OnnxTwin:
    """A module's graph, run by ONNX Runtime."""

    def __init__(self, module):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            module.to_onnx().SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, batch, extra=0):
        """Logits of a batch, with ``extra`` columns of padding more than it needs."""
        ids = np.pad(batch.padded().numpy(), ((0, 0), (0, extra)))
        return self.session.run(["logits"], {"ids": ids, "lengths": batch.lengths.numpy()})[0]


@pytest.fixture(params=sorted(STUDENTS))
def name(request):
    """Every registered student in turn."""
    return request.param


@pytest.fixture
def batch_of():
    return make_batch


@pytest.fixture
def logits_of():
    return answer


@pytest.fixture
def onnx_of():
    return OnnxTwin


@pytest.fixture
def make():
    """name, labels → a module in evaluation mode whose logits are far from 0."""
    return lambda name, labels=3, **sizes: enlarge(build(name, labels, seed=7, **sizes))
