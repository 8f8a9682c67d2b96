"""What Keras prints: progress bars of every version, and verbose=2."""

import math

import pytest

from diagnose.readers import ReadError, read
from diagnose.run import Split


def runs(text):
    return read("train.log", content=text.encode())


def run(text):
    (only,) = runs(text)
    return only


def keras3_bar(done, total, metrics, seconds="1s"):
    """Keras 3.15's Progbar.update, with the colours that it prints."""
    filled = 20 * done // total
    bar = f"\x1b[1m{done}/{total}\x1b[0m \x1b[32m{'━' * filled}\x1b[0m\x1b[37m{'━' * (20 - filled)}\x1b[0m"
    pairs = "".join(f" - {name}: {value:.4f}" for name, value in metrics.items())
    return f"{bar} \x1b[1m{seconds}\x1b[0m 12ms/step{pairs}"


KERAS_2 = """Train on 800 samples, validate on 200 samples
Epoch 1/3
800/800 [==============================] - 2s 3ms/step - loss: 2.4100 - acc: 0.5148 - val_loss: 2.0 - val_acc: 0.6534
Epoch 2/3
800/800 [==============================] - 1s 2ms/step - loss: 0.9249 - acc: 0.7439 - val_loss: nan - val_acc: 0.8198
Epoch 3/3
800/800 [==============================] - 1s 2ms/step - loss: 9.2e-02 - acc: 0.8567 - val_loss: inf - val_acc: 0.8862
"""


def test_one_line_per_epoch():
    log = run(KERAS_2)
    assert log.format == "keras-progress"
    assert log.axis == "epoch"
    assert log.get("loss").epochs.tolist() == [1, 2, 3]
    assert log.get("loss").values.tolist() == [2.41, 0.9249, 0.092]
    assert log.get("val_metric").values.tolist() == [0.6534, 0.8198, 0.8862]


def test_nan_and_inf_are_values_that_were_logged():
    values = run(KERAS_2).get("val_loss").values
    assert values[0] == 2.0
    assert math.isnan(values[1])
    assert math.isinf(values[2])


def test_the_numbers_of_the_epochs_are_those_of_the_log():
    assert run(KERAS_2.replace("Epoch ", "Epoch 1")).get("loss").epochs.tolist() == [11, 12, 13]


def test_of_the_updates_of_an_epoch_the_last_counts():
    text = "Epoch 1/1\n"
    text += "\r".join(f"{n}/10 [==>.......] - ETA: 3s - loss: {1 / n:.4f}" for n in range(1, 10))
    text += "\r10/10 [=========] - 4s 3ms/step - loss: 0.0500 - val_loss: 0.0600\n"
    log = run(text)
    assert log.get("loss").values.tolist() == [0.05]
    assert log.get("val_loss").values.tolist() == [0.06]


def test_backspaces_alone_part_the_updates():
    text = "Epoch 1/1\n" + ("\b" * 20).join(
        [" 5/10 [==>..] - ETA: 3s - loss: 0.9", "10/10 [=====] - 4s 3ms/step - loss: 0.4"]
    )
    assert run(text + "\n").get("loss").values.tolist() == [0.4]


def test_keras_3_with_its_colours():
    text = ""
    for epoch in (1, 2):
        text += f"Epoch {epoch}/2\n"
        text += "".join("\b" * 80 + "\r" + keras3_bar(n, 4, {"accuracy": 0.1 * n, "loss": 2 / n}) for n in (1, 2, 3, 4))
        text += "\b" * 80 + "\r" + keras3_bar(4, 4, {"accuracy": 0.5, "loss": 1 / epoch, "val_loss": 2 / epoch}) + "\n"
    log = run(text)
    assert log.get("loss").values.tolist() == [1.0, 0.5]
    assert log.get("val_loss").values.tolist() == [2.0, 1.0]
    assert log.get("metric").values.tolist() == [0.5, 0.5]


def test_keras_3_as_plain_text():
    text = "Epoch 1/2\n1/1 ━━━━━━━━ 0s 12ms/step - accuracy: 0.25 - loss: 0.7\n"
    text += "Epoch 2/2\n1/1 ━━━━━━━━ 0s 12ms/step - accuracy: 0.50 - loss: 0.6\n"
    assert run(text).get("loss").values.tolist() == [0.7, 0.6]


@pytest.mark.parametrize(
    "line",
    [
        "196/196 - 10s - loss: 0.5 - accuracy: 0.9",
        "196/196 - 10s - 50ms/step - accuracy: 0.9 - loss: 0.5",
        " - 10s - loss: 0.5 - acc: 0.9",
        "10s - loss: 0.5 - acc: 0.9",
    ],
)
def test_verbose_2(line):
    log = run(f"Epoch 1/2\n{line}\nEpoch 2/2\n{line}\n")
    assert log.get("loss").values.tolist() == [0.5, 0.5]
    assert log.get("accuracy").values.tolist() == [0.9, 0.9]


def test_other_output_in_between_does_not_matter():
    noise = "WARNING:tensorflow: slow - careful: 3\n\nEpoch 1: val_loss improved to 2.0\n"
    assert run(KERAS_2.replace("Epoch 2/3", noise + "Epoch 2/3")).get("loss").values.tolist() == [2.41, 0.9249, 0.092]


def test_an_epoch_that_was_under_way_is_left_out_and_said_so():
    log = run(KERAS_2 + "Epoch 4/4\n400/800 [====>......] - ETA: 1s - loss: 0.0100 - acc: 0.99")
    assert log.get("loss").epochs.tolist() == [1, 2, 3]
    assert log.notes == ("epoch 4 had not ended when the log did, and is left out",)


def test_an_epoch_killed_in_its_validation_is_left_out():
    log = run(KERAS_2 + "Epoch 4/4\n800/800 [=========] - 1s 2ms/step - loss: 0.0100 - acc: 0.99")
    assert log.get("loss").epochs.tolist() == [1, 2, 3]


def test_data_that_runs_out_early_ends_every_epoch_early():
    text = "".join(f"Epoch {e}/3\n90/100 [====>..] - 9s 1ms/step - loss: {1 / e:.2f}\n" for e in (1, 2, 3))
    assert run(text).get("loss").epochs.tolist() == [1, 2, 3]


def test_an_evaluation_after_the_training_is_no_part_of_its_last_epoch():
    text = KERAS_2 + "50/50 [=====] - 0s 1ms/step - loss: 7.7 - acc: 0.1\n"
    text += "1/800 [.....] - ETA: 9s - loss: 7.7\r800/800 [=====] - 0s 1ms/step - loss: 7.7 - acc: 0.1\n"
    assert run(text).get("loss").values[-1] == 0.092


def test_a_bar_of_unknown_length():
    text = "Epoch 1/2\n      7/Unknown 3s 10ms/step - loss: 0.9\r9/9 ━━━━ 3s 10ms/step - loss: 0.8\n"
    text += "Epoch 2/2\n9/9 ━━━━ 3s 10ms/step - loss: 0.7\n"
    assert run(text).get("loss").values.tolist() == [0.8, 0.7]


def test_bars_without_epoch_lines_are_counted():
    text = "".join(f"8/8 [====] - 1s 1ms/step - loss: {1 / n:.2f}\n" for n in (1, 2, 4))
    assert run(text).get("loss").epochs.tolist() == [1, 2, 3]


def test_two_trainings_in_one_text():
    first, second = runs(KERAS_2.replace("nan", "1.5") * 2)
    assert (first.part.index, first.part.of) == (1, 2)
    assert second.get("loss").epochs.tolist() == [1, 2, 3]


def test_a_loop_of_fits_of_one_epoch_that_go_on_is_one_training():
    text = ""
    for n in range(1, 13):
        text += f"Epoch 1/1\n8/8 [====] - 1s 1ms/step - loss: {1 / n:.4f}\n"
    found = runs(text)
    assert all(len(r.get("loss")) for r in found)


def test_no_epoch_has_ended():
    with pytest.raises(ReadError, match="no epoch ended"):
        runs("Epoch 1/9\n4/80 [=>......] - ETA: 1s - loss: 0.0100")


def test_a_metric_of_validation_is_told_from_one_of_training():
    splits = {(s.name, s.split) for s in run(KERAS_2).series}
    assert splits == {
        ("loss", Split.TRAIN),
        ("acc", Split.TRAIN),
        ("val_loss", Split.VALIDATION),
        ("val_acc", Split.VALIDATION),
    }
