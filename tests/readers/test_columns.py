"""The vocabulary: what a column is, told from its name."""

import numpy as np
import pytest

from diagnose.readers.columns import (
    Column,
    classify,
    classify_all,
    clean_name,
    normalize_series,
    parse_role,
    percent_scale,
)
from diagnose.run import METRIC_PREFERENCE, Direction, Series, Split

TRAIN, VALIDATION, TEST = Split.TRAIN, Split.VALIDATION, Split.TEST
LOWER, HIGHER = Direction.LOWER, Direction.HIGHER


@pytest.mark.parametrize(
    "name",
    ["loss", "Loss", "train_loss", "train/loss", "Train Loss", "training_loss", "trainLoss", "loss_t", "epoch_loss",
     "total_loss", "running_loss", "avg_train_loss", "Train loss", "loss_train", "tr_loss", "loss_1", "train-loss"],
)  # fmt: skip
def test_training_loss_in_every_spelling(name):
    assert classify(name) == Column("series", "loss", TRAIN, "", LOWER)


@pytest.mark.parametrize(
    "name",
    ["val_loss", "valid_loss", "validation_loss", "eval_loss", "dev_loss", "Val Loss", "loss_v", "val/loss",
     "valLoss", "loss_val", "eval/loss", "avg_val_loss", "Validation Loss", "holdout_loss", "loss (val)"],
)  # fmt: skip
def test_validation_loss_in_every_spelling(name):
    assert classify(name) == Column("series", "loss", VALIDATION, "", LOWER)


@pytest.mark.parametrize("name", ["test_loss", "Test Loss", "loss_test", "testing_loss", "test/loss"])
def test_test_loss_in_every_spelling(name):
    assert classify(name) == Column("series", "loss", TEST, "", LOWER)


@pytest.mark.parametrize(
    ("name", "quantity", "direction"),
    [
        ("acc", "accuracy", HIGHER),
        ("binary_accuracy", "accuracy", HIGHER),
        ("categorical_accuracy", "accuracy", HIGHER),
        ("sparse_categorical_accuracy", "accuracy", HIGHER),
        ("accuracy_t", "accuracy", HIGHER),
        ("Train Accuracy (%)", "accuracy", HIGHER),
        ("top_k_categorical_accuracy", "top5_accuracy", HIGHER),
        ("top5_acc", "top5_accuracy", HIGHER),
        ("balanced_accuracy", "balanced_accuracy", HIGHER),
        ("f1_m", "f1", HIGHER),
        ("F1 Score", "f1", HIGHER),
        ("macro_f1", "f1", HIGHER),
        ("auc_1", "auc", HIGHER),
        ("ROC-AUC", "auc", HIGHER),
        ("dice_coef", "dice", HIGHER),
        ("Pseudo dice", "dice", HIGHER),
        ("IoU", "iou", HIGHER),
        ("mIoU", "iou", HIGHER),
        ("mean_io_u_3", "iou", HIGHER),
        ("jaccard", "iou", HIGHER),
        ("mAP@0.5", "map50", HIGHER),
        ("mAP@.5:.95", "map50_95", HIGHER),
        ("R^2", "r2", HIGHER),
        ("cosine_similarity", "cosine_similarity", HIGHER),
        ("psnr", "psnr", HIGHER),
        ("bleu", "bleu", HIGHER),
        ("cohen_kappa", "kappa", HIGHER),
        ("mcc", "mcc", HIGHER),
        ("ep_rew_mean", "reward", HIGHER),
        ("mae", "mae", LOWER),
        ("mean_absolute_error", "mae", LOWER),
        ("mean_squared_error", "mse", LOWER),
        ("root_mean_squared_error", "rmse", LOWER),
        ("mape", "mape", LOWER),
        ("error_rate", "error", LOWER),
        ("perplexity", "perplexity", LOWER),
        ("wer", "wer", LOWER),
        ("binary_crossentropy", "crossentropy", LOWER),
        ("lr", "learning_rate", None),
        ("learning_rate", "learning_rate", None),
        ("lr-Adam", "learning_rate", None),
        ("lr/pg0", "learning_rate", None),
        ("x/lr0", "learning_rate", None),
        ("entropy", "entropy", None),
        ("grad_norm_global", "grad_norm_global", None),
    ],
)
def test_quantity_and_its_better_end(name, quantity, direction):
    assert (classify(name).quantity, classify(name).direction) == (quantity, direction)


@pytest.mark.parametrize(
    ("name", "quantity", "output"),
    [
        ("metrics/mAP50(B)", "map50", ""),
        ("metrics/mAP50-95(B)", "map50_95", ""),
        ("metrics/mAP50-95(M)", "map50_95", "mask"),
        ("metrics/mAP_0.5:0.95", "map50_95", ""),
        ("metrics/precision(B)", "precision", ""),
        ("metrics/accuracy_top1", "accuracy", ""),
        ("metrics/accuracy_top5", "top5_accuracy", ""),
    ],
)
def test_yolo_measures_its_metrics_on_validation_data(name, quantity, output):
    assert classify(name) == Column("series", quantity, VALIDATION, output, HIGHER)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("epoch", "epoch"), ("Epochs", "epoch"), ("", "epoch"), ("Unnamed: 0", "epoch"), ("step", "step"),
        ("global_step", "step"), ("time/total_timesteps", "step"), ("_step", "step"), ("time", "time"),
        ("_runtime", "time"), ("Wall time", "time"), ("epoch_time", "time"), ("batch", "batch"), ("model", "group"),
        ("fold", "group"), ("phase", "group"),
    ],
)  # fmt: skip
def test_columns_that_are_no_curve(name, kind):
    assert classify(name).kind == kind


def test_telemetry_is_a_statistic_of_a_layer_whose_name_may_hold_a_slash():
    assert classify("grad_norm/block1/conv/kernel") == Column(
        "layer", statistic="grad_norm", layer="block1/conv/kernel"
    )


def test_an_unknown_name_is_a_series_that_nothing_judges():
    column = classify("val_flux_capacitance")
    assert (column.kind, column.quantity, column.split) == ("series", "flux_capacitance", VALIDATION)
    assert column.direction is None


@pytest.mark.parametrize("name", ["accuracy_std", "best_val_acc", "loss_weight", "max_reward"])
def test_a_statistic_of_a_metric_is_not_the_metric(name):
    assert classify(name).direction is None


@pytest.mark.parametrize(
    ("name", "quantity", "output"),
    [("out1_loss", "loss", "out1"), ("Gen Loss", "loss", "gen"), ("class_0_iou", "iou", "class_0"),
     ("loss_classifier", "loss", "classifier"), ("train/box_loss", "loss", "box"), ("kl_loss", "loss", "kl")],
)  # fmt: skip
def test_what_stands_before_or_behind_a_quantity_is_its_output(name, quantity, output):
    assert (classify(name).quantity, classify(name).output) == (quantity, output)


def test_the_total_of_several_outputs_keeps_the_empty_output():
    columns = classify_all(["loss", "a_loss", "b_loss", "val_loss", "val_a_loss", "val_b_loss"])
    assert [c.output for c in columns] == ["", "a", "b", "", "a", "b"]


def test_components_without_a_total_are_all_outputs():
    assert [c.output for c in classify_all(["Gen Loss", "Disc Loss"])] == ["gen", "disc"]


def test_the_only_loss_is_the_loss_whatever_it_is_called():
    columns = classify_all(["train_mse_loss", "val_mse_loss"])
    assert [(c.quantity, c.output) for c in columns] == [("loss", ""), ("loss", "")]


def test_two_spellings_of_one_metric_are_told_apart_alike_on_both_splits():
    columns = classify_all(["accuracy", "binary_accuracy", "val_accuracy", "val_binary_accuracy"])
    assert [c.output for c in columns] == ["", "binary_accuracy", "", "binary_accuracy"]


def test_a_counter_of_keras_behind_a_metric_does_not_matter():
    assert [c.output for c in classify_all(["auc_2", "val_auc_2"])] == ["", ""]


def test_a_named_epoch_column_wins_over_the_index_of_pandas():
    assert [c.kind for c in classify_all(["", "epoch", "loss"])] == ["ignore", "epoch", "series"]


def test_lightnings_step_twin_is_ignored():
    columns = classify_all(["train_loss_step", "train_loss_epoch", "val_loss"])
    assert [(c.kind, c.output) for c in columns] == [("ignore", ""), ("series", ""), ("series", "")]


def test_a_metric_without_a_split_beside_named_losses_is_measured_on_validation_data():
    assert classify_all(["train_loss", "val_loss", "dice"])[2].split == VALIDATION


def test_a_metric_without_a_split_beside_keras_names_is_of_training():
    assert classify_all(["loss", "val_loss", "dice", "val_dice"])[2].split == TRAIN


def test_folds_side_by_side_are_outputs():
    columns = classify_all(["Train_Acc_Fold_1", "Val_Loss_Fold_2"])
    assert [(c.quantity, c.split, c.output) for c in columns] == [
        ("accuracy", TRAIN, "fold 1"),
        ("loss", VALIDATION, "fold 2"),
    ]


def test_losses_beside_a_reward_are_losses_of_the_policy():
    columns = classify_all(["reward", "loss", "value_loss", "approx_kl"])
    assert [(c.quantity, c.direction) for c in columns] == [
        ("reward", HIGHER),
        ("policy_loss", None),
        ("value_loss", None),
        ("kl_divergence", None),
    ]


def test_a_role_given_by_hand_wins():
    columns = classify_all(["epoch", "a", "b"], {"a": "loss", "b": "val_score:higher", "epoch": "ignore"})
    assert columns == [
        Column("ignore"),
        Column("series", "loss", TRAIN, "", LOWER),
        Column("series", "score", VALIDATION, "", HIGHER),
    ]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("loss", Column("series", "loss", TRAIN, "", LOWER)),
        ("val_acc", Column("series", "accuracy", VALIDATION, "", HIGHER)),
        ("test_mae@age", Column("series", "mae", TEST, "age", LOWER)),
        ("val_energy:lower", Column("series", "energy", VALIDATION, "", LOWER)),
        ("accuracy:lower", Column("series", "accuracy", TRAIN, "", LOWER)),
        ("learning_rate", Column("series", "learning_rate")),
        ("epoch", Column("epoch")),
        ("ignore", Column("ignore")),
    ],
)
def test_roles(text, column):
    assert parse_role(text) == column


@pytest.mark.parametrize("text", ["", "two words", "loss:up", "@head", "val_", "energy"])
def test_a_wrong_role_says_in_one_line_what_is_allowed(text):
    with pytest.raises(ValueError, match=r"a role is|needs its better end") as caught:
        parse_role(text)
    assert "\n" not in str(caught.value)


def test_names_lose_control_characters_and_excess_length():
    assert clean_name(' "\x1b[31mval\x00_loss\u202e\x1b[0m" ') == "val_loss"
    assert len(clean_name("x" * 1000)) == 200


@pytest.mark.parametrize(
    ("quantity", "values", "scale"),
    [
        ("accuracy", [25.7, 88.0], 100.0),
        ("accuracy", [0.3, 1.0], 1.0),
        ("accuracy", [0.3, 1.2], 1.0),
        ("accuracy", [30.0, 250.0], 1.0),
        ("accuracy", [float("nan"), 50.0], 100.0),
        ("accuracy", [], 1.0),
        ("loss", [25.7, 88.0], 1.0),
    ],
)
def test_percent_is_told_from_the_values(quantity, values, scale):
    assert percent_scale(quantity, np.array(values)) == scale


def test_one_scale_for_both_curves_of_a_metric():
    epochs = np.arange(2.0)
    train = Series("acc", "accuracy", TRAIN, epochs, np.array([0.9, 1.4]), HIGHER)
    validation = Series("val_acc", "accuracy", VALIDATION, epochs, np.array([1.0, 60.0]), HIGHER)
    assert [s.scale for s in normalize_series([train, validation])] == [100.0, 100.0]


def test_every_preferred_metric_has_a_direction():
    known = {classify(q).quantity for q in METRIC_PREFERENCE if classify(q).direction is not None}
    assert known == set(METRIC_PREFERENCE) - {"top1_accuracy"}  # read as accuracy
