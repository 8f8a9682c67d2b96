"""The CSV that Monitor writes: what stands in it, and that nothing which ends a training damages it."""

from __future__ import annotations

import copy
import csv
import errno
import math
import os
import pickle
import queue
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import diagnose
from diagnose.live.log import Log
from diagnose.readers import read

ROOT = Path(diagnose.__file__).parents[1]


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as stream:
        return [*csv.reader(stream)]


def a_row(epoch: int, loss: float | None = None, **others: float | str | None) -> dict[str, float | str | None]:
    return {"epoch": epoch, "loss": 2.0 * 0.7**epoch if loss is None else loss, **others, "stopped": None}


def log_epochs(path: Path, epochs: range, *, append: bool = True, **others: float) -> Path:
    """Log a training, as one process would, and return the file."""
    with Log(path, append=append) as log:
        for epoch in epochs:
            log.write(a_row(epoch, **others))
        return log.path


# What stands in it


def test_a_row_for_each_epoch_below_the_names(tmp_path):
    with Log(tmp_path / "run.csv") as log:
        log.write({"epoch": 0, "accuracy": 0.5, "loss": 1.25})
        log.write({"epoch": 1, "accuracy": 0.75, "loss": 0.5})
    assert (tmp_path / "run.csv").read_text() == "epoch,accuracy,loss\n0,0.5,1.25\n1,0.75,0.5\n"


def test_a_row_is_in_the_file_as_soon_as_it_is_written(tmp_path):
    log = Log(tmp_path / "run.csv")
    log.write({"epoch": 0, "loss": 1.0})
    assert (tmp_path / "run.csv").read_text().endswith("0,1.0\n")
    log.close()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float(np.float32(0.1)), "0.1"),
        (np.float32(1e-5), "1e-05"),
        (0.001, "0.001"),
        (1 / 3, "0.333333333"),
        (16_777_217, "16777217"),
        (1e300, "1e+300"),
        (1e-300, "1e-300"),
        (0.0, "0.0"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (None, ""),
        ("nan-loss", "nan-loss"),
    ],
)
def test_how_a_value_is_written(tmp_path, value, text):
    with Log(tmp_path / "run.csv") as log:
        log.write({"epoch": 0, "value": value})
    assert (tmp_path / "run.csv").read_text().splitlines()[1] == f"0,{text}"


def test_every_32_bit_value_is_read_back_as_it_was(tmp_path):
    values = np.random.default_rng(0).lognormal(0, 20, 200).astype(np.float32)
    with Log(tmp_path / "run.csv") as log:
        for epoch, value in enumerate(values):
            log.write({"epoch": epoch, "loss": float(value)})
    (run,) = read(tmp_path / "run.csv")
    assert np.array_equal(run.get("loss").values.astype(np.float32), values)


def test_what_was_not_measured_and_what_is_not_a_number_are_two_things(tmp_path):
    with Log(tmp_path / "run.csv") as log:
        log.write({"epoch": 0, "loss": 1.0, "val_loss": None})
        log.write({"epoch": 1, "loss": math.nan, "val_loss": math.nan})
    (run,) = read(tmp_path / "run.csv")
    assert list(run.get("val_loss").epochs) == [1.0]
    assert math.isnan(run.get("val_loss").values[0])


def test_a_name_may_hold_commas_quotes_and_even_line_ends(tmp_path):
    names = ("loss", 'grad_norm/a,"b"', "grad_norm/two\nlines", "grad_norm/a{1}=<é>: x")
    with Log(tmp_path / "run.csv") as log:
        log.write({"epoch": 0, **dict.fromkeys(names, 1.0)})
        log.write({"epoch": 1, **dict.fromkeys(names, 2.0)})
    (run,) = read(tmp_path / "run.csv")
    assert len((tmp_path / "run.csv").read_text().splitlines()) == 3
    assert len(run.layers["grad_norm"].layers) == 3
    assert list(run.layers["grad_norm"].values[1]) == [2.0, 2.0, 2.0]


def test_the_first_column_counts_the_epochs(tmp_path):
    with Log(tmp_path / "run.csv") as log, pytest.raises(ValueError, match="'epoch'"):
        log.write({"loss": 1.0})


def test_the_folder_is_made(tmp_path):
    assert log_epochs(tmp_path / "runs" / "today" / "run.csv", range(1)).exists()


def test_the_check_that_stopped_a_training_is_no_number_and_no_harm(tmp_path):
    with Log(tmp_path / "run.csv") as log:
        log.write({"epoch": 0, "loss": 1.0, "stopped": None})
        log.write({"epoch": 1, "loss": math.nan, "stopped": "nan-loss"})
    (run,) = read(tmp_path / "run.csv")
    assert run.format == "keras-csv"
    assert [s.name for s in run.series] == ["loss"]
    assert run.notes == ("stopped by Monitor at epoch 1 because of nan-loss",)


# Columns that come later


def test_a_column_that_comes_later_is_taken_in_where_the_row_has_it(tmp_path):
    with Log(tmp_path / "run.csv") as log:
        log.write({"epoch": 0, "loss": 1.0, "dead_fraction/b": 0.0, "stopped": None})
        log.write({"epoch": 1, "loss": 0.5, "val_loss": 0.6, "dead_fraction/a": 0.5, "dead_fraction/b": 0.1})
        log.write({"epoch": 2, "loss": 0.4, "stopped": "plateau"})
    assert (tmp_path / "run.csv").read_text() == (
        "epoch,loss,val_loss,dead_fraction/a,dead_fraction/b,stopped\n"
        "0,1.0,,,0.0,\n"
        "1,0.5,0.6,0.5,0.1,\n"
        "2,0.4,,,,plateau\n"
    )


def test_the_file_keeps_its_permissions_and_nothing_is_left_beside_it(tmp_path):
    with Log(tmp_path / "run.csv") as log:
        log.write({"epoch": 0, "loss": 1.0})
        (tmp_path / "run.csv").chmod(0o640)
        log.write({"epoch": 1, "loss": 1.0, "val_loss": 1.0})
    assert (tmp_path / "run.csv").stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == [".run.csv.lock", "run.csv"]


def test_only_this_training_gets_the_wider_header(tmp_path):
    log_epochs(tmp_path / "run.csv", range(2))
    before = (tmp_path / "run.csv").read_bytes()
    with Log(tmp_path / "run.csv") as log:
        log.write(a_row(2))
        log.write(a_row(3, val_loss=0.5))
    after = (tmp_path / "run.csv").read_bytes()
    assert after == before + b"epoch,loss,val_loss,stopped\n2,0.98,,\n3,0.686,0.5,\n"


def test_memory_is_constant_in_the_length_of_the_file(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("epoch,loss\n" + "".join(f"{epoch},{1 / (epoch + 1):.6f}\n" for epoch in range(300_000)))
    child = (
        "import resource; from diagnose.live.log import Log\n"
        "log = Log('run.csv'); log.open(); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "log.write({'epoch': 300000, 'loss': 1}); log.write({'epoch': 300001, 'loss': 1, 'val_loss': 1})\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    assert int(python(child, tmp_path).communicate()[0]) < 8 * 1024  # kilobytes; the file has five megabytes
    assert path.read_text().endswith("epoch,loss,val_loss\n300000,1,\n300001,1,1\n")


# A training that is started again


def test_a_resumed_training_is_one_run(tmp_path):
    log_epochs(tmp_path / "run.csv", range(4))
    log_epochs(tmp_path / "run.csv", range(4, 7))
    (run,) = read(tmp_path / "run.csv")
    assert list(run.get("loss").epochs) == [0, 1, 2, 3, 4, 5, 6]
    assert (tmp_path / "run.csv").read_text().count("epoch") == 1


def test_a_resumed_training_that_lacks_a_column_at_first_needs_no_other_header(tmp_path):
    log_epochs(tmp_path / "run.csv", range(4), val_loss=1.0)
    log_epochs(tmp_path / "run.csv", range(4, 7))
    (run,) = read(tmp_path / "run.csv")
    assert list(run.get("val_loss").epochs) == [0, 1, 2, 3]
    assert len(run.get("loss")) == 7
    assert (tmp_path / "run.csv").read_text().count("epoch") == 1


def test_a_training_resumed_with_other_columns_is_one_run(tmp_path):
    log_epochs(tmp_path / "run.csv", range(4), **{"grad_norm/a": 1.0, "dead_fraction/a": 0.5})
    log_epochs(tmp_path / "run.csv", range(4, 7), val_loss=1.0, **{"grad_norm/a": 2.0, "grad_norm/b": 3.0})
    (run,) = read(tmp_path / "run.csv")
    assert run.restarts == (4.0,)
    assert list(run.get("loss").epochs) == [0, 1, 2, 3, 4, 5, 6]
    assert list(run.get("val_loss").epochs) == [4, 5, 6]
    assert run.layers["grad_norm"].layers == ("a", "b")
    expected = [[1, math.nan]] * 4 + [[2, 3]] * 3
    assert np.array_equal(run.layers["grad_norm"].values, expected, equal_nan=True)
    assert list(run.layers["dead_fraction"].epochs) == [0, 1, 2, 3]


def test_a_training_resumed_from_a_checkpoint_replaces_what_it_trains_again(tmp_path):
    log_epochs(tmp_path / "run.csv", range(6), val_loss=1.0)
    log_epochs(tmp_path / "run.csv", range(4, 8), **{"grad_norm/a": 1.0})
    (run,) = read(tmp_path / "run.csv")
    assert list(run.get("loss").epochs) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert list(run.get("val_loss").epochs) == [0, 1, 2, 3]
    assert run.restarts == (4.0,)


def test_a_training_run_anew_is_a_run_of_its_own(tmp_path):
    log_epochs(tmp_path / "run.csv", range(4))
    log_epochs(tmp_path / "run.csv", range(5))
    assert [run.epochs for run in read(tmp_path / "run.csv")] == [4, 5]


def test_another_model_is_a_run_of_its_own_with_its_own_layers(tmp_path):
    log_epochs(tmp_path / "run.csv", range(4), **{"grad_norm/dense": 1.0})
    log_epochs(tmp_path / "run.csv", range(4, 9), **{"grad_norm/conv": 1.0})
    first, second = read(tmp_path / "run.csv")
    assert (first.layers["grad_norm"].layers, second.layers["grad_norm"].layers) == (("dense",), ("conv",))
    assert (first.epochs, second.epochs) == (4, 5)


@pytest.mark.parametrize("trainings", [2, 5])
def test_trainings_of_a_single_epoch_are_told_apart(tmp_path, trainings):
    for _ in range(trainings):
        log_epochs(tmp_path / "run.csv", range(1))
    assert [run.epochs for run in read(tmp_path / "run.csv")] == [1] * trainings


def test_a_stop_belongs_to_the_training_that_it_ended(tmp_path):
    for epochs, stopped in ((4, "nan-loss"), (6, None)):
        with Log(tmp_path / "run.csv") as log:
            for epoch in range(epochs):
                log.write({**a_row(epoch), "stopped": stopped if epoch == epochs - 1 else None})
    first, second = read(tmp_path / "run.csv")
    assert first.notes == ("stopped by Monitor at epoch 3 because of nan-loss",)
    assert second.notes == ()


def test_it_goes_on_below_what_keras_logged(tmp_path):
    (tmp_path / "run.csv").write_bytes(b"epoch,loss,val_loss\r\n0,2.0,NA\r\n1,1.4,1.5\r\n")
    log_epochs(tmp_path / "run.csv", range(2, 5))
    (run,) = read(tmp_path / "run.csv")
    assert list(run.get("loss").epochs) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("torn", ["3,0.6", "3,0.686,", "ep"])
def test_a_torn_last_line_is_cut_off(tmp_path, torn):
    log_epochs(tmp_path / "run.csv", range(3))
    whole = (tmp_path / "run.csv").read_text()
    (tmp_path / "run.csv").write_text(whole + torn)
    log_epochs(tmp_path / "run.csv", range(3, 4))
    assert (tmp_path / "run.csv").read_text() == whole + "3,0.686,\n"


@pytest.mark.parametrize("torn", ["", "e", "epoch,lo"])
def test_a_file_with_nothing_but_a_torn_header_is_begun_anew(tmp_path, torn):
    (tmp_path / "run.csv").write_text(torn)
    log_epochs(tmp_path / "run.csv", range(1))
    assert (tmp_path / "run.csv").read_text() == "epoch,loss,stopped\n0,2.0,\n"


def test_without_append_the_old_log_and_its_facts_are_moved_aside(tmp_path):
    log_epochs(tmp_path / "run.csv", range(2))
    (tmp_path / "run.json").write_text('{"schema": "kerasdx-run/1"}')
    (tmp_path / "run.1.csv").write_text("kept")
    log_epochs(tmp_path / "run.csv", range(3), append=False)
    assert [len(rows_of(tmp_path / name)) for name in ("run.csv", "run.2.csv")] == [4, 3]
    assert (tmp_path / "run.2.json").exists()
    assert not (tmp_path / "run.json").exists()
    assert (tmp_path / "run.1.csv").read_text() == "kept"


def test_a_json_file_that_is_not_monitors_is_not_moved(tmp_path):
    log_epochs(tmp_path / "run.csv", range(2))
    (tmp_path / "run.json").write_text('{"my": "settings"}')
    log_epochs(tmp_path / "run.csv", range(3), append=False)
    assert (tmp_path / "run.json").exists()


def test_a_symbolic_link_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run.csv").symlink_to(tmp_path / "disk" / "run.csv")
    with Log(tmp_path / "run.csv") as log:
        log.write({"epoch": 0, "loss": 1.0})
        log.write({"epoch": 1, "loss": 1.0, "val_loss": 1.0})
    assert (tmp_path / "run.csv").is_symlink()
    assert len(rows_of(tmp_path / "disk" / "run.csv")) == 3


# Files that are not ours, and files that others touch


@pytest.mark.parametrize(
    "content",
    [
        b"name,age\nAda,36\n",
        b"epoch,latitude\n2000,51.5\n",
        b"epoch;loss\n0;1\n",
        b"epoch,loss\r0,1\r1,2\r",
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b"\x00" * 100,
        '{"loss": [1, 2]}'.encode("utf-16"),
        b"x" * 5_000_000,
    ],
)
@pytest.mark.parametrize("append", [True, False])
def test_a_file_that_is_no_log_is_not_touched(tmp_path, content, append):
    path = tmp_path / "run.csv"
    path.write_bytes(content)
    log = Log(path, append=append)
    log.open()
    log.write(a_row(0))
    log.close()
    assert path.read_bytes() == content
    assert log.path == tmp_path / "run-2.csv"
    assert log.note == "run.csv is no training log: this one is logged to run-2.csv"
    assert len(rows_of(log.path)) == 2


def test_a_file_that_is_deleted_while_training_is_begun_anew(tmp_path):
    with Log(tmp_path / "run.csv") as log:
        log.write(a_row(0))
        log.path.unlink()
        log.write(a_row(1))
    assert (tmp_path / "run.csv").read_text() == "epoch,loss,stopped\n1,1.4,\n"


def test_what_another_program_writes_into_the_file_damages_no_row(tmp_path):
    with Log(tmp_path / "run.csv") as log:
        log.write(a_row(0))
        with log.path.open("a") as other:
            other.write("epoch,accuracy\n1,0.5\n1,0.")
        log.write(a_row(2, loss=1.0))
        log.write(a_row(3, loss=0.5, val_loss=1.0))
    assert (tmp_path / "run.csv").read_text() == (
        "epoch,loss,stopped\n0,2.0,\nepoch,accuracy\n1,0.5\nepoch,loss,val_loss,stopped\n2,1.0,,\n3,0.5,1.0,\n"
    )


def test_a_folder_of_that_name_is_an_error(tmp_path):
    (tmp_path / "run.csv").mkdir()
    with pytest.raises(OSError):
        Log(tmp_path / "run.csv").open()


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(OSError):
        Log(tmp_path / "runs" / "run.csv").open()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        Log(tmp_path / "run.csv").open()


def test_a_full_disk_is_an_error_and_leaves_whole_rows(tmp_path):
    log = Log(tmp_path / "run.csv")
    log.write(a_row(0))
    whole = log.path.read_bytes()
    with limited(len(whole) + 4):
        with pytest.raises(OSError) as full:
            log.write(a_row(1))
        with pytest.raises(OSError):
            log.write(a_row(1, val_loss=1.0))
        assert full.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert log.path.read_bytes() == whole
    log.write(a_row(2))
    assert len(rows_of(log.path)) == 3
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".tmp"] == []
    log.close()


class limited:  # noqa: N801
    """Let no file grow beyond a size."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)
        signal.signal(signal.SIGXFSZ, self.handler)


# Several writers


def test_a_second_writer_takes_the_next_name(tmp_path):
    done = threading.Event()
    opened: queue.SimpleQueue[Log] = queue.SimpleQueue()

    def train() -> None:
        with Log(tmp_path / "run.csv") as log:
            opened.put(log)
            done.wait()

    threads = [threading.Thread(target=train) for _ in range(3)]
    logs = []
    for thread in threads:
        thread.start()
        logs.append(opened.get(timeout=10))
    paths, notes = [log.path.name for log in logs], [log.note for log in logs]
    done.set()
    for thread in threads:
        thread.join()
    assert paths == ["run.csv", "run-2.csv", "run-3.csv"]
    assert notes[:2] == ["", "run.csv is being written by another training: this one is logged to run-2.csv"]


def test_a_name_is_free_again_when_its_writer_is_done(tmp_path):
    for _ in range(2):
        with Log(tmp_path / "run.csv") as log:
            assert log.path.name == "run.csv"


def test_a_training_interrupted_in_a_notebook_does_not_keep_its_name(tmp_path):
    interrupted = Log(tmp_path / "run.csv")
    interrupted.write(a_row(0))
    with Log(tmp_path / "run.csv") as log:
        log.write(a_row(0))
        assert log.path.name == "run.csv"
        interrupted.write(a_row(1))  # it goes on after all: elsewhere
        assert interrupted.path.name == "run-2.csv"
        log.write(a_row(1))
    assert [run.epochs for run in read(tmp_path / "run.csv")] == [1, 2]
    interrupted.close()


def test_a_copy_is_closed_and_writes_where_it_was_told_to(tmp_path):
    with Log(tmp_path / "run.csv", append=False) as log:
        log.write(a_row(0))
        for other in (copy.deepcopy(log), pickle.loads(pickle.dumps(log))):  # noqa: S301
            assert other.path == tmp_path / "run.csv"
            assert other._lock is None


def python(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_write_two_whole_logs(tmp_path):
    child = """
import sys
from diagnose.live.log import Log
assert not {"keras", "tensorflow", "pandas"} & set(sys.modules)
log = Log("run.csv")
log.open()
print(log.path.name, flush=True)
sys.stdin.readline()
for epoch in range(500):
    row = {"epoch": epoch, "loss": 1 / (epoch + 1), **({"val_loss": 1.0} if epoch % 100 > 50 else {})}
    log.write(row)
"""
    children = [python(child, tmp_path) for _ in range(2)]
    names = [process.stdout.readline().strip() for process in children]
    for process in children:
        process.communicate("\n", timeout=60)
    assert sorted(names) == ["run-2.csv", "run.csv"]
    for name in names:
        (run,) = read(tmp_path / name)
        assert (run.epochs, run.notes) == (500, ())


#: Trains anew for each line that it is told, and does not end but by being killed.
ENDLESS = """
import itertools, os, sys
from diagnose.live.log import Log

def train():
    with Log("run.csv") as log:
        for epoch in itertools.count():
            row = {"epoch": epoch, "loss": 1 / (epoch + 1)}
            row |= {f"grad_norm/layer_{i}": 1.0 for i in range(200 + min(epoch // 7, 40))}  # wider every seventh epoch
            log.write({**row, "stopped": None})
            print(os.getpid() if epoch == 0 else epoch, flush=True)

for _ in sys.stdin:
    child = os.fork()
    if not child:
        train()
    os.waitpid(child, 0)
    print("killed", flush=True)
"""


def test_a_training_killed_at_any_moment_leaves_a_log_that_is_read(tmp_path):
    moments = random.Random(0)
    path = tmp_path / "run.csv"
    known = 0
    trainings = python(ENDLESS, tmp_path)
    for _ in range(30):
        print(file=trainings.stdin, flush=True)
        training = int(trainings.stdout.readline())
        time.sleep(moments.uniform(0, 0.03))
        os.kill(training, signal.SIGKILL)
        written = 1
        for line in iter(trainings.stdout.readline, "killed\n"):
            assert line, "the trainings themselves have ended"
            written += 1
        runs = read(path)
        # The last row may be in the file and not yet told of.
        assert 0 <= sum(run.epochs for run in runs) - known - written <= 1
        known = sum(run.epochs for run in runs)
        assert runs[-1].get("loss").values[0] == 1.0
    trainings.communicate(timeout=10)
    assert not (tmp_path / "run-2.csv").exists()
