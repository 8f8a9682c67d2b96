"""Text logs in their authors' own words."""

import pytest

from diagnose.readers import read


def run(text):
    (only,) = read("train.log", content=text.encode())
    return only


def test_a_line_per_epoch_behind_time_stamps():
    text = "".join(
        f"2026-05-15 20:39:0{e},241 INFO:Epoch {e}: Train Loss={0.5 / e:.4f}, Val Loss={0.6 / e:.4f}\n"
        for e in (1, 2, 3)
    )
    log = run(text)
    assert log.format == "text-log"
    assert log.get("loss").epochs.tolist() == [1, 2, 3]
    assert log.get("loss").values.tolist() == [0.5, 0.25, 0.1667]
    assert log.get("val_loss").values.tolist() == [0.6, 0.3, 0.2]


NNUNET = """2026-06-23 16:29:13.153991: train_loss 0.0306
2026-06-23 16:29:13.170832: val_loss -0.0722
2026-06-23 16:29:13.182576: Pseudo dice [np.float32(0.15), np.float32(0.25)]
2026-06-23 16:29:13.196836: Epoch time: 439.0 s
2026-06-23 16:29:13.209171: Yayy! New best EMA pseudo Dice: 0.1527000069618225
2026-06-23 16:29:16.698571:
2026-06-23 16:29:16.702106: Epoch 1
2026-06-23 16:29:16.713968: Current learning rate: 0.00999
2026-06-23 16:34:10.173313: train_loss -0.1956
2026-06-23 16:34:10.177030: val_loss -0.3086
2026-06-23 16:34:10.190441: Pseudo dice [np.float32(0.48), np.float32(0.52)]
"""


def test_nnunet_names_the_epoch_above_its_values():
    log = run(NNUNET)
    assert log.get("loss").epochs.tolist() == [0, 1]
    assert log.get("loss").values.tolist() == [0.0306, -0.1956]
    assert log.get("val_loss").values.tolist() == [-0.0722, -0.3086]
    assert log.get("learning_rate").values.tolist() == [0.00999]


def test_the_values_of_classes_are_averaged_and_measured_on_validation_data():
    assert run(NNUNET).get("val_dice").values.tolist() == pytest.approx([0.2, 0.5])


def test_a_phase_before_the_values_names_their_split():
    text = "".join(f"Epoch {e}\n[Train] loss: {1 / e} acc: 0.5\n[Valid] loss: {2 / e} acc: 0.4\n" for e in (1, 2))
    log = run(text)
    assert log.get("loss").values.tolist() == [1.0, 0.5]
    assert log.get("val_loss").values.tolist() == [2.0, 1.0]
    assert log.get("val_metric").values.tolist() == [0.4, 0.4]


def test_of_the_batches_of_an_epoch_the_last_counts_and_of_its_meter_the_average():
    text = "".join(
        f"Epoch: [{e}][{b}/20]\tTime 0.5 (0.7)\tLoss {9 - b / 10} ({7 - e - b / 100})\tAcc@1 {b} ({b + e})\n"
        for e in (0, 1)
        for b in (0, 10, 20)
    )
    log = run(text)
    assert log.get("loss").epochs.tolist() == [0, 1]
    assert log.get("loss").values.tolist() == pytest.approx([6.8, 5.8])
    assert log.get("accuracy").values.tolist() == [20, 21]
    assert log.get("accuracy").scale == 100


def test_the_dictionaries_that_the_hugging_face_trainer_prints():
    rows = (
        {"loss": 0.69, "learning_rate": 4.9e-05, "epoch": 0.5},
        {"eval_loss": 0.6, "eval_runtime": 3.1, "epoch": 0.5},
        {"loss": 0.5, "learning_rate": 4.0e-05, "epoch": 1.0},
        {"eval_loss": 0.55, "eval_runtime": 3.0, "epoch": 1.0},
    )
    log = run("".join(f"{row}\n" for row in rows))
    assert log.get("loss").epochs.tolist() == [0.5, 1.0]
    assert log.get("val_loss").values.tolist() == [0.6, 0.55]


def test_steps_where_no_line_names_an_epoch():
    text = "".join(f"step {s}: train loss {4 - s / 500:.4f}, val loss {4.1 - s / 500:.4f}\n" for s in (0, 250, 500))
    log = run(text)
    assert log.axis == "step"
    assert log.get("val_loss").epochs.tolist() == [0, 250, 500]


def test_rounds_of_boosting():
    log = run("[0]\ttrain-rmse:0.6\tval-rmse:0.7\n[1]\ttrain-rmse:0.5\tval-rmse:0.65\n")
    assert log.get("rmse").epochs.tolist() == [0, 1]
    assert log.get("val_rmse").values.tolist() == [0.7, 0.65]


def test_lines_without_any_number_of_an_epoch_are_counted_and_said_so():
    log = run("".join(f"loss={1 / n:.3f} val_loss={1.2 / n:.3f}\n" for n in (1, 2, 3, 4)))
    assert log.get("loss").epochs.tolist() == [1, 2, 3, 4]
    assert log.notes


def test_percentages_and_fractions():
    text = "".join(
        f"Epoch {e} loss: {1 / e}\nTest set: Average loss: {1.1 / e:.4f}, Accuracy: {9000 + e}/10000 (9{e}%)\n"
        for e in (1, 2)
    )
    log = run(text)
    assert log.get("val_loss").values.tolist() == [1.1, 0.55]
    assert log.get("val_metric").values.tolist() == [0.9001, 0.9002]


def test_settings_before_the_training_and_records_after_it_are_no_curves():
    text = "epochs: 2, batch_size: 32, lr=0.01\nNumber of parameters: 120000\n"
    text += "Epoch 1/2 loss=0.9 val_loss=0.8\nEpoch 2/2 loss=0.5 val_loss=0.6\n"
    text += "Best epoch: 1, val_loss=0.1\nFinal test accuracy: 0.99\n"
    log = run(text)
    assert [s.name for s in log.series] == ["loss", "val_loss"]
    assert log.get("val_loss").values.tolist() == [0.8, 0.6]


def test_colours_are_no_part_of_names():
    log = run("".join(f"\x1b[32mEpoch {e}\x1b[0m | \x1b[1mloss\x1b[0m: \x1b[31m{1 / e}\x1b[0m\n" for e in (1, 2)))
    assert log.get("loss").values.tolist() == [1.0, 0.5]


def test_two_trainings_one_after_the_other():
    text = "".join(f"Epoch {e}: loss={1 / e}\n" for e in (1, 2, 3, 4)) * 2
    first, second = read("x.log", content=text.encode())
    assert first.get("loss").values.tolist() == second.get("loss").values.tolist() == [1.0, 0.5, 1 / 3, 0.25]
    assert (second.part.index, second.part.of) == (2, 2)
