"""Trainings in processes of their own: killed and resumed, on two devices, in 16 bits."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuners.checkpoint import Checkpoint

pytestmark = [pytest.mark.keras, pytest.mark.slow]

SETTINGS = ("-d", "iris", "-s", "regularization.dropout=0.3", "-s", "training.early_stopping=0", "--no-mlflow")
EPOCHS = 400


def command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    code = "from tuners.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "train", *arguments],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0, out
    return out


def curves(log: Path) -> list[list[str]]:
    """Return epoch, losses, metrics and rate; layers are looked at by the samples and steps that come first."""
    with log.open(newline="") as lines:
        return [row[:6] for row in csv.reader(lines)]


def weights(folder: Path) -> list[Any]:
    with np.load(next((folder / "checkpoint").glob("best-*.npz"))) as content:
        return [content[name] for name in content.files]


def test_killed_at_any_moment_it_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    arguments = ("mlp", *SETTINGS, "--epochs", str(EPOCHS))
    killed = command(tmp_path, *arguments, "-o", "killed")
    log = tmp_path / "killed" / "run.csv"
    deadline = time.monotonic() + 200
    while not (log.exists() and log.read_bytes().count(b"\n") > 5):
        assert killed.poll() is None, killed.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "result.json").exists()
    saved = Checkpoint(tmp_path / "killed" / "checkpoint").counters()
    assert saved is not None
    assert 0 < saved.epoch < EPOCHS
    ended(command(tmp_path, "--resume", "killed", "--no-mlflow"))
    ended(command(tmp_path, *arguments, "-o", "whole"))
    assert curves(log) == curves(tmp_path / "whole" / "run.csv")
    assert all(map(np.array_equal, weights(tmp_path / "killed"), weights(tmp_path / "whole")))
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("killed", "whole")]
    assert results[0]["test"] == results[1]["test"]


def test_two_devices_and_16_bits_train_and_save_the_same_kind_of_model(tmp_path: Path) -> None:
    devices = ("--accelerator", "cpu", "--devices", "2", "--precision", "mixed_bfloat16")
    out = ended(command(tmp_path, "cnn/small", "-d", "digits", "--epochs", "2", *devices, "-o", "run", "--no-mlflow"))
    assert "2 x CPU (MirroredStrategy)" in out
    assert "note: mixed_bfloat16 makes a processor slower" in out
    assert max(map(len, out.splitlines())) <= 100
    loaded = (
        "import keras, numpy as np; model = keras.saving.load_model('run/model.keras')\n"
        "print(model.predict(np.zeros((3, 8, 8, 1), 'uint8'), verbose=0).sum(axis=-1).round(2).tolist())"
    )
    told = subprocess.run([sys.executable, "-c", loaded], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[1.0, 1.0, 1.0]"
