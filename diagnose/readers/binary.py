"""Binary content that is no training log: what it is, and how to get one."""

from __future__ import annotations

from diagnose.readers.base import Document, ReadError

_SAVE_HISTORY = (
    "save the history as text where it was pickled: pandas.DataFrame(history).to_csv('history.csv'), or json.dump"
)
_UNPACK = "unpack it and pass the log inside"
_MODEL = "a log has one row per epoch: train with the callback CSVLogger('run.csv') and pass that file"

#: First bytes -> (what it is, what to do).
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, the format of models and weights, and not a log", _MODEL),
    (b"\x89PNG", "is a PNG image", "pass the log that the picture was drawn from"),
    (b"\xff\xd8\xff", "is a JPEG image", "pass the log that the picture was drawn from"),
    (b"%PDF", "is a PDF document", "pass the log itself"),
    (b"\x1f\x8b", "is compressed (gzip)", _UNPACK),
    (b"BZh", "is compressed (bzip2)", _UNPACK),
    (b"\xfd7zXZ", "is compressed (xz)", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "is compressed (zstandard)", _UNPACK),
    (b"\x93NUMPY", "is a NumPy array", _SAVE_HISTORY),
    (b"PAR1", "is a Parquet file", "convert it: pandas.read_parquet(file).to_csv('history.csv')"),
)
_ZIP_MEMBERS: tuple[tuple[bytes, str, str], ...] = (
    (b"model.weights.h5", "is a Keras model (.keras) and not a log", _MODEL),
    (b"xl/", "is an Excel workbook", "save the sheet as CSV"),
    (b".npy", "is a NumPy archive (.npz)", _SAVE_HISTORY),
    (b"data.pkl", "is a PyTorch checkpoint and not a log", "pass the log that the training wrote"),
)
_PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def refusal(document: Document) -> ReadError:
    """Return the error that says what the binary content is."""
    head = document.head
    if head.startswith(_PICKLE_STARTS):
        return ReadError(
            "is a Python pickle, which is not loaded because loading one runs whatever code it holds", _SAVE_HISTORY
        )
    if head.startswith(b"PK\x03\x04"):
        for member, what, mend in _ZIP_MEMBERS:
            if member in head:
                return ReadError(what, mend)
        if b"config.json" in head and b"metadata.json" in head:
            return ReadError("is a Keras model (.keras) and not a log", _MODEL)
        return ReadError("is a zip archive", _UNPACK)
    for magic, what, mend in _MAGIC:
        if head.startswith(magic):
            return ReadError(what, mend)
    if _looks_like_utf16(head):
        return ReadError("looks like UTF-16 text without a byte order mark", "save it as UTF-8")
    return ReadError("is binary, not a training log", "pass the log that the training wrote as text")


def _looks_like_utf16(head: bytes) -> bool:
    """Whether every other byte is NUL, as in Latin text written as UTF-16."""
    sample = head[: len(head) // 2 * 2]
    for zeros, letters in ((sample[1::2], sample[0::2]), (sample[0::2], sample[1::2])):
        if zeros and zeros.count(0) > 0.9 * len(zeros) and letters.count(0) < 0.1 * len(letters):
            return True
    return False
