"""Keras and TensorFlow, imported without TensorFlow's monologues of itself; one line where they are not installed."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from diagnose.readers.base import ReadError

_NEEDED = ("keras", "tensorflow", "h5py")


@contextmanager
def keras_imported() -> Iterator[None]:
    """Import Keras for what is done meanwhile.

    Raises
    ------
    ReadError
        It, or what it needs, is not installed.
    """
    try:
        import_tensorflow()
        yield
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _NEEDED:
            raise
        raise ReadError(
            f"is a model, and looking at one needs {missing}, which is not installed", "pip install 'kerasdx[tune]'"
        ) from error


def import_tensorflow() -> None:
    """Import TensorFlow and Keras with standard error held back; what it said is shown where the import fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" in sys.modules or os.environ.get("KERASDX_DEBUG"):
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow  # noqa: F401
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
