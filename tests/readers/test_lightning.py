"""PyTorch Lightning's metrics.csv: rows that hold a part of the values each."""

import pytest

from diagnose.readers import read as read_source


def read_one(text):
    (run,) = read_source("metrics.csv", content=text.encode())
    assert run.format == "lightning"
    return run


def points(run, role):
    series = run.get(role)
    return dict(zip(series.epochs.tolist(), series.values.tolist(), strict=True))


def test_training_and_validation_rows_meet_on_the_epoch():
    run = read_one("epoch,step,train_loss,val_loss\n0,9,.9,\n0,9,,.8\n1,19,.7,\n1,19,,.6\n")
    assert run.axis == "epoch"
    assert points(run, "loss") == {0.0: 0.9, 1.0: 0.7}
    assert points(run, "val_loss") == {0.0: 0.8, 1.0: 0.6}


def test_training_logged_every_so_many_steps_is_averaged_over_the_epoch():
    run = read_one(
        "epoch,step,train_loss,val_loss\n0,49,.9,\n0,74,,.8\n1,99,.75,\n1,149,.5,\n1,149,,.7\n2,199,.5,\n2,224,,.6\n"
    )
    assert points(run, "loss") == pytest.approx({0.0: 0.9, 1.0: 0.625, 2.0: 0.5})


def test_training_logged_less_often_than_validation_keeps_its_epochs():
    run = read_one("Train loss,Valid MSE,epoch,step\n,3,0,0\n,2,1,1\n1.5,,2,2\n,1.4,2,2\n,1.3,3,3\n")
    assert points(run, "loss") == {2.0: 1.5}
    assert points(run, "val_mse") == {0.0: 3.0, 1.0: 2.0, 2.0: 1.4, 3.0: 1.3}


@pytest.mark.parametrize("epoch", [0, 2])
def test_the_final_test_is_no_new_training_whatever_its_epoch(epoch):
    run = read_one(
        f"epoch,step,test_MSE,train_loss,val_loss\n0,1,,.9,\n0,1,,,.8\n1,2,,.7,\n1,2,,,.6\n{epoch},2,.65,,\n"
    )
    assert run.part is None
    assert list(points(run, "test_mse").values()) == [0.65]


def test_a_learning_rate_logged_without_an_epoch_belongs_to_the_next_row():
    run = read_one("lr-Adam,epoch,step,train_loss\n.1,,0,\n,0,9,.9\n.05,,10,\n,1,19,.7\n")
    assert points(run, "learning_rate") == {0.0: 0.1, 1.0: 0.05}


def test_the_epoch_twin_wins_over_the_step_twin():
    run = read_one(
        "epoch,step,train_loss_epoch,train_loss_step,val_loss\n0,0,,.95,\n0,1,,.9,\n0,1,.92,,.8\n1,2,,.8,\n1,3,.7,,.6\n"
    )
    assert points(run, "loss") == {0.0: 0.92, 1.0: 0.7}
