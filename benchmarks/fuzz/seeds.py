"""One small log of every format, as a start for the fuzzer; all written here."""

from __future__ import annotations

import json
import struct

CURVES = {"loss": [1.0, 0.5, 0.25, 0.2], "val_loss": [1.1, 0.8, 0.7, 0.75], "accuracy": [0.1, 0.5, 0.7, 0.8]}


def seeds() -> dict[str, bytes]:
    """Return name -> content."""
    texts = {
        "keras.csv": _table(","),
        "semicolons.csv": _table(";"),
        "tabs.tsv": _table("\t").replace("\n", "\r\n"),
        "headerless.csv": _table(",").partition("\n")[2],
        "preamble.csv": "# batch size: 32\n# lr: 0.1\n" + _table(","),
        "restarted.csv": _table(",") * 2,
        "telemetry.csv": "epoch,loss,grad_norm/dense,dead_fraction/dense\n0,1,0.1,0\n1,0.5,NA,nan\n",
        "lightning.csv": "epoch,step,train_loss,val_loss\n0,9,1.0,\n0,9,,1.1\n1,19,0.5,\n1,19,,0.8\n",
        "yolo.csv": "epoch, train/box_loss, metrics/mAP50(B), val/box_loss\n1, 1.0, 0.1, 1.1\n2, 0.9, 0.2, 1.0\n",
        "sb3.csv": "time/total_timesteps,rollout/ep_rew_mean,train/loss\n100,1.0,\n200,2.0,0.5\n",
        "wandb.csv": '"Step","run - loss","run - loss__MIN","run - loss__MAX"\n0,1,1,1\n1,0.5,0.5,0.5\n',
        "history.json": json.dumps(CURVES),
        "pandas.json": json.dumps({name: {str(i): v for i, v in enumerate(c)} for name, c in CURVES.items()}),
        "rows.jsonl": "".join(json.dumps({"epoch": e, "loss": 1 / e, "phase": "train"}) + "\n" for e in (1, 2, 3)),
        "folds.json": json.dumps({"fold_1": CURVES, "fold_2": {"history": CURVES, "epoch": [0, 1, 2, 3]}}),
        "trainer_state.json": json.dumps({"epoch": 1.5, "log_history": _trainer_rows(), "train_batch_size": 8}),
        "trial.json": json.dumps(_trial()),
        "progress.txt": _progress("[==>...]", "[======]"),
        "progress3.txt": _progress("\x1b[32m━━\x1b[0m", "\x1b[32m━━━━\x1b[0m"),
        "verbose2.txt": "Epoch 1/2\n8/8 - 1s - loss: 1.0\nEpoch 2/2\n8/8 - 1s - loss: 0.5 - val_loss: nan\n",
        "text.log": "".join(f"12:0{e} INFO: Epoch {e}: Train Loss={1 / e:.3f}, Val Acc: {e}0% (3)\n" for e in (1, 2)),
        "nnunet.txt": "train_loss 0.3\nPseudo dice [np.float32(0.1), np.float32(nan)]\nEpoch 1\ntrain_loss 0.2\n",
        "meters.txt": "Epoch: [0][10/20]\tLoss 0.5 (0.6)\tAcc@1 10.0 (9.0)\nTest: Accuracy: 9/10 (90%)\n",
    }
    return {name: text.encode() for name, text in texts.items()} | {
        "utf16.csv": _table(",").encode("utf-16"),
        "events.tfevents": _events(),
        "store.db": b"SQLite format 3\x00" + b"\x00" * 100,
        "pickle.pkl": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94.",
    }


def _table(delimiter: str) -> str:
    values = enumerate(zip(*CURVES.values(), strict=True))
    rows = [["epoch", *CURVES], *([str(i), *map(str, row)] for i, row in values)]
    return "".join(delimiter.join(row) + "\n" for row in rows)


def _progress(running: str, done: str) -> str:
    return "".join(
        f"Epoch {e}/3\n4/8 {running} - ETA: 1s - loss: {2 / e}\b\b\b\r"
        f"8/8 {done} - 1s 5ms/step - loss: {1 / e} - val_loss: {2 / e}\n"
        for e in (1, 2, 3)
    )


def _trainer_rows() -> list[dict[str, float]]:
    return [
        row
        for i in (1, 2, 3)
        for row in (
            {"epoch": i / 2, "step": i, "loss": 1 / i, "learning_rate": 1e-5},
            {"epoch": i / 2, "step": i, "eval_loss": 2 / i},
        )
    ]


def _trial() -> dict[str, object]:
    observations = [{"value": [1 / (i + 1)], "step": i} for i in range(3)]
    return {
        "trial_id": "0001",
        "hyperparameters": {"space": [], "values": {"units": 32}},
        "metrics": {"metrics": {"loss": {"direction": "min", "observations": observations}}},
    }


def _events() -> bytes:
    """Return an event file; TensorBoard's messages and checksums are needed to write one."""
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    events = [event_pb2.Event(file_version="brain.Event:2")]
    for step in range(3):
        value = summary_pb2.Summary.Value(tag="epoch_loss", simple_value=1 / (step + 1))
        events.append(event_pb2.Event(step=step, summary=summary_pb2.Summary(value=[value])))
    content = b""
    for event in events:
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        content += length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))
    return content
