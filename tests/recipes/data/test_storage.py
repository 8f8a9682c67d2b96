"""Where data is kept, and that what is on disk goes with the process."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from recipes.data import storage
from recipes.errors import DataError


def test_what_fits_is_in_memory_and_what_does_not_is_mapped(monkeypatch):
    monkeypatch.setattr(storage, "available_memory", lambda: 4000)
    assert not isinstance(storage.empty((250, 1), np.float32, "auto"), np.memmap)
    assert isinstance(storage.empty((251, 1), np.float32, "auto"), np.memmap)
    assert not isinstance(storage.empty((251, 1), np.float32, "memory"), np.memmap)
    assert isinstance(storage.empty((1, 1), np.float32, "none"), np.memmap)


def test_a_file_for_which_there_is_no_room_is_refused(monkeypatch):
    monkeypatch.setattr(storage, "free_disk", lambda: 4000)
    assert storage.empty((900, 1), np.float32, "none").shape == (900, 1)
    with pytest.raises(
        DataError, match=r"would take .* room for temporary files \(set TMPDIR to a larger disk\)"
    ) as said:
        storage.empty((901, 1), np.float32, "none")
    assert "\n" not in str(said.value)


def test_room_is_taken_by_files_that_are_not_filled_yet(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000_000))
    before = storage.free_disk()
    mapped = storage.empty((100_000_000, 1), np.uint8, "none")
    assert before - storage.free_disk() == pytest.approx(mapped.nbytes, rel=0.01)


def test_the_memory_of_a_container_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_CONTAINER", tmp_path)
    outside = storage.available_memory()
    assert outside > 0
    for name, content in {"max": "1000", "current": "900", "stat": "anon 600\ninactive_file 300\n"}.items():
        (tmp_path / f"memory.{name}").write_text(content)
    assert storage.available_memory() == 400
    (tmp_path / "memory.max").write_text("max\n")
    assert storage.available_memory() > 400


def test_temporary_files_go_with_the_process():
    program = (
        "import numpy as np; from recipes.data import storage\n"
        "storage.empty((9, 9), np.float32, 'none')[:] = 1; print(storage.new_file().parent)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert not Path(done.stdout.strip()).exists()


def test_blocks_cover_all_rows_once():
    rows = np.concatenate([np.arange(100)[block] for block in storage.blocks(100, 10_000_000)])
    assert rows.tolist() == list(range(100))


def test_a_selection_takes_what_the_whole_has():
    whole = np.arange(20).reshape(10, 2)
    selected = storage.Selection(whole, np.array([7, 3, 5]))
    assert (len(selected), selected.shape, selected.dtype) == (3, (2,), whole.dtype)
    assert selected.take(np.array([2, 0])).tolist() == [[10, 11], [14, 15]]
    nested = storage.Selection(selected, np.array([1]))
    assert nested.take(np.array([0])).tolist() == [[6, 7]]
