import numpy as np
import pytest
import torch

from understudy.students import STUDENTS, Ragged, build
from understudy.tokenization.encoding import INPUTS, SPELLING
from understudy.tokenization.spelling import KINDS

LARGER = 3.0
"""Fresh weights are small, and so are their logits; larger ones let differences show."""

SMALLER = {
    "attn-bilstm.v1": {"width": 32, "hidden": 16, "feed_forward": 32},
    "bert-tiny.v1": {"width": 32, "heads": 2, "feed_forward": 64},
    "bert-mini.v1": {"width": 32, "heads": 2, "feed_forward": 64},
    "bert-small.v1": {"layers": 1, "width": 32, "heads": 2, "feed_forward": 64},
    "bihybrid.v1": {"size": 10, "width": 100},
    "cmow.v1": {"size": 14},
    "cnn.v1": {"width": 64, "blocks": 3},
    "hybrid.v1": {"size": 10, "width": 100},
}
"""Sizes of students that take long to train, or whose many enlarged layers would enlarge rounding, too."""


def sizes_of(name):
    """Sizes at which a student is tested; spelling or a preset may stand behind its name."""
    sizes = SMALLER.get(name.partition(":")[0], {})
    return {**sizes, "spelling_size": ROWS} if "spelling=true" in name else sizes


def make_batch(lengths, vocabulary_size, seed=0):
    """A batch of random ids, special ones left out."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(3, vocabulary_size, size=sum(lengths))
    return Ragged(torch.from_numpy(ids), torch.tensor(lengths))


ROWS = 30
"""Rows of the table of traits in tests of students that read spelling."""


def make_spelled_batch(lengths, vocabulary_size, seed=0):
    """The same with random traits of every word; students that read ids alone do not look at them."""
    batch = make_batch(lengths, vocabulary_size, seed)
    drawn = np.random.default_rng(seed + 1).integers(0, ROWS, size=(sum(lengths), len(KINDS)))
    return Ragged(batch.ids, batch.lengths, torch.from_numpy(drawn))


def split_batch(batch):
    """Each text of a batch as a batch of its own."""
    sizes = batch.lengths.tolist()
    spelled = [None] * len(sizes) if batch.spelling is None else batch.spelling.split(sizes)
    parts = zip(batch.ids.split(sizes), spelled, strict=True)
    return [Ragged(ids, torch.tensor([len(ids)]), traits) for ids, traits in parts]


def enlarge(module):
    """Multiply all drawn weights, the zeros of the padding row among them, and switch dropout off.

    Rows that begin at zero are drawn first.
    """
    with torch.no_grad():
        for table in module.row_tables():
            table[3:] += 0.3 * torch.randn(table[3:].shape, generator=torch.Generator().manual_seed(1))
        for parameter in module.parameters():
            if parameter.min() < parameter.max():  # a layer norm's ones are no small weights
                parameter.mul_(LARGER)
    return module.eval()


def answer(module, *batches):
    """Logits ``(b, c)`` without gradients, as numpy."""
    with torch.inference_mode():
        return module(*batches).numpy()


class OnnxTwin:
    """A module's graph, run by ONNX Runtime."""

    def __init__(self, module):
        import onnxruntime

        self.names, self.is_spelled = INPUTS[module.form], module.is_spelled
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            module.to_onnx().SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, *batches, extra=0):
        """Logits of a batch, or two, with ``extra`` columns of padding more than needed."""
        feeds = {}
        for (ids, lengths), batch in zip(self.names, batches, strict=True):
            feeds[ids] = np.pad(batch.padded().numpy(), ((0, 0), (0, extra)))
            feeds[lengths] = batch.lengths.numpy()
            if self.is_spelled:
                spelled = batch.filled(batch.spelling).numpy()
                feeds[SPELLING] = np.pad(spelled, ((0, 0), (0, extra), (0, 0)))
        return self.session.run(["logits"], feeds)[0]


@pytest.fixture(params=sorted(STUDENTS))
def name(request):
    """Every registered student in turn."""
    return request.param


@pytest.fixture(scope="session")
def smaller():
    """name → sizes at which that student is tested."""
    return sizes_of


@pytest.fixture
def batch_of():
    return make_batch


@pytest.fixture
def spelled_batch_of():
    return make_spelled_batch


@pytest.fixture
def split():
    return split_batch


@pytest.fixture
def logits_of():
    return answer


@pytest.fixture
def onnx_of():
    return OnnxTwin


@pytest.fixture
def make():
    """name, labels → a module in evaluation mode whose logits are far from 0."""

    def build_one(name, labels=3, **sizes):
        return enlarge(build(name, labels, seed=7, **{**sizes_of(name), **sizes}))

    return build_one
