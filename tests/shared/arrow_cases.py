"""Arrow arrays of strings made by hand with ctypes: they can be forged, and need no library."""

import ctypes
from ctypes import CFUNCTYPE, c_char_p, c_int, c_int64, c_void_p

import numpy as np

RELEASE = CFUNCTYPE(None, c_void_p)
GET = CFUNCTYPE(c_int, c_void_p, c_void_p)
SAY = CFUNCTYPE(c_void_p, c_void_p)
OFFSETS = {"u": np.int32, "U": np.int64}

LIVING = []
"""What arrays point to: they may outlive whoever made them."""

new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype, new_capsule.argtypes = ctypes.py_object, [c_void_p, c_char_p, c_void_p]


class Schema(ctypes.Structure):
    _fields_ = [
        *((name, c_char_p) for name in ("format", "name", "metadata")),
        *((name, c_int64) for name in ("flags", "n_children")),
        *((name, c_void_p) for name in ("children", "dictionary", "release", "private_data")),
    ]


class Array(ctypes.Structure):
    _fields_ = [
        *((name, c_int64) for name in ("length", "null_count", "offset", "n_buffers", "n_children")),
        *((name, c_void_p) for name in ("buffers", "children", "dictionary", "release", "private_data")),
    ]


class Stream(ctypes.Structure):
    _fields_ = [
        (name, c_void_p) for name in ("get_schema", "get_next", "get_last_error", "release", "private_data")
    ]


def bits(valid):
    return np.packbits(np.array(valid, bool), bitorder="little")


def between_offsets(texts, dtype):
    """The places of texts, and one buffer of data."""
    ends = np.cumsum([0, *map(len, texts)]).astype(dtype)
    return [ends, np.frombuffer(b"".join(texts) or b"\0", np.uint8)]


def views(texts):
    """The places of texts: short ones in their views, others in two buffers in turns; then these sizes."""
    data, rows = [b"", b""], []
    for text in texts:
        row = len(text).to_bytes(4, "little") + text.ljust(12, b"\0")
        if len(text) > 12:
            number = len(rows) % 2
            numbers = (len(text), 0, number, len(data[number]))
            row = b"".join(n.to_bytes(4, "little") for n in numbers)
            data[number] += text
        rows.append(row)
    buffers = [np.frombuffer(part or b"\0", np.uint8) for part in (b"".join(rows), *data)]
    return [*buffers, np.array([len(part) for part in data], np.int64)]


def as_bytes(text):
    return text if isinstance(text, bytes) else (text or "").encode()


class Owner:
    """Holds what ctypes must keep alive, and counts what was released."""

    def __init__(self):
        self.alive, self.released = [], []
        LIVING.append(self)

    def release_of(self, kind, name):
        def release(address):
            assert kind.from_address(address).release, "released twice"
            kind.from_address(address).release = None
            self.released.append(name)

        callback = RELEASE(release)
        self.alive.append(callback)
        return ctypes.cast(callback, c_void_p).value

    def schema(self, layout, **forged):
        facts = {"format": layout.encode(), "release": self.release_of(Schema, "schema"), **forged}
        return Schema(**facts)

    def array(self, texts, layout="u", *, hidden=0, places=None, **forged):
        """Texts, str or bytes or None; the first ``hidden`` of them are before the array's offset."""
        found = [as_bytes(text) for text in texts]
        buffers = views(found) if layout == "vu" else between_offsets(found, OFFSETS[layout])
        if places is not None:
            buffers[0] = places
        valid = bits([text is not None for text in texts])
        nulls = sum(text is None for text in texts[hidden:])
        pointers = (c_void_p * (1 + len(buffers)))(
            valid.ctypes.data if nulls else None, *(buffer.ctypes.data for buffer in buffers)
        )
        self.alive += [valid, *buffers, pointers]
        facts = {
            "length": len(texts) - hidden,
            "null_count": nulls,
            "offset": hidden,
            "n_buffers": len(pointers),
            "buffers": ctypes.addressof(pointers),
            "release": self.release_of(Array, "array"),
        }
        return Array(**facts | forged)


class HandMade:
    """An array of strings; ``forged`` changes its struct, and ``schema`` that of its type."""

    def __init__(self, texts, layout="u", *, hidden=0, places=None, schema=None, **forged):
        self.owner = Owner()
        self.schema = self.owner.schema(layout, **(schema or {}))
        layout = layout if layout in (*OFFSETS, "vu") else "u"
        self.array = self.owner.array(texts, layout, hidden=hidden, places=places, **forged)

    def __arrow_c_array__(self, requested_schema=None):
        return (
            new_capsule(ctypes.addressof(self.schema), b"arrow_schema", None),
            new_capsule(ctypes.addressof(self.array), b"arrow_array", None),
        )


class HandMadeStream:
    """Chunks of strings; after them a failure, where ``code`` is one."""

    def __init__(self, chunks, layout="u", *, code=0, **forged):
        owner = self.owner = Owner()
        self.left = [owner.array(chunk, layout, **forged) for chunk in chunks]
        self.why = c_char_p(b"the disk is gone")

        def get_schema(_, out):
            owner.alive.append(owner.schema(layout))
            ctypes.memmove(out, ctypes.addressof(owner.alive[-1]), ctypes.sizeof(Schema))
            return 0

        def get_next(_, out):
            if not self.left and code:
                return code
            given = self.left.pop(0) if self.left else Array()
            ctypes.memmove(out, ctypes.addressof(given), ctypes.sizeof(Array))
            return 0

        calls = (GET(get_schema), GET(get_next), SAY(lambda _: ctypes.cast(self.why, c_void_p).value))
        owner.alive += calls
        addresses = (ctypes.cast(call, c_void_p).value for call in calls)
        self.stream = Stream(*addresses, owner.release_of(Stream, "stream"))

    def __arrow_c_stream__(self, requested_schema=None):
        return new_capsule(ctypes.addressof(self.stream), b"arrow_array_stream", None)
