"""The detector: its network, its loss, and that it learns."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.keras

from recipes import detector  # noqa: E402
from recipes.config import Config  # noqa: E402
from recipes.detection.boxes import typical_sizes  # noqa: E402
from recipes.detection.grid import Grid, decode, encode  # noqa: E402
from recipes.detection.loss import BoxOverlap, GridLoss  # noqa: E402
from recipes.detection.precision import average_precision  # noqa: E402
from recipes.errors import ConfigError, RecipeError  # noqa: E402
from recipes.task import Facts, Inputs, Kind, Task  # noqa: E402

SMALL = {"detector.grid": 4, "model.width": 8, "model.depth": 1, "regularization.dropout": 0.0}
SIZES = ((0.2, 0.2), (0.4, 0.2))


def config(**settings: object) -> Config:
    return Config.of("detector", SMALL, {name.replace("__", "."): value for name, value in settings.items()})


def facts(height: int = 32, width: int = 32, channels: int = 1, **task: object) -> Facts:
    described = {"names": ("light", "dark"), "counts": (60, 40), "sizes": SIZES, **task}
    inputs = Inputs("image", (height, width, channels), 0.0, 255.0, (100.0,) * channels, (400.0,) * channels)
    return Facts("squares.npz", inputs, Task(Kind.DETECTION, **described), {"train": 50})  # type: ignore[arg-type]


def squares(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return grey images with a light or a dark rectangle, and where it is."""
    rng = np.random.default_rng(0)
    x = np.full((count, 32, 32, 1), 100, dtype=np.uint8)
    y = np.full((count, 2, 5), (0, 0, 0, 0, -1), dtype=np.float32)
    for image, objects in zip(x, y, strict=True):
        left, top = rng.integers(0, 20, 2)
        width, height, kind = rng.integers(5, 12), rng.integers(5, 12), rng.integers(0, 2)
        image[top : top + height, left : left + width] = 20 if kind else 220
        objects[0] = (*((left + width / 2) / 32, (top + height / 2) / 32, width / 32, height / 32), kind)
    return x, y


def test_the_output_is_a_grid_of_five_values_per_box_and_one_per_class():
    model = detector.build(config(detector__boxes=3), facts())
    assert model.output_shape == (None, 4, 4, 3 * 5 + 2)


def test_the_default_is_a_grid_of_8_on_images_of_64():
    task = {"names": tuple("0123456789"), "counts": (1,) * 10}
    assert detector.build(Config.of("detector"), facts(64, 64, **task)).output_shape == (None, 8, 8, 2 * 5 + 10)


def test_images_may_be_wider_than_high():
    assert detector.build(config(), facts(32, 128, 3)).output_shape == (None, 4, 4, 12)


@pytest.mark.parametrize("grid", [3, 5, 32, 64])
def test_a_grid_that_halving_does_not_give_is_refused(grid):
    with pytest.raises(RecipeError) as error:
        detector.build(config(detector__grid=grid), facts())
    assert str(error.value) == (
        f"detector.grid: halving 32 x 32 images never gives {grid} x {grid} cells; take 1, 2, 4, 8, 16"
    )


def test_images_that_no_grid_fits_are_refused():
    with pytest.raises(RecipeError, match="halving 48 x 31 images never gives 4 x 4 cells"):
        detector.build(config(), facts(48, 31))


def test_data_without_objects_is_refused():
    with pytest.raises(RecipeError, match=r"^squares.npz: there is no object in the training samples"):
        detector.build(config(), facts(sizes=()))


def test_geometric_settings_that_would_move_objects_are_not_heeded():
    with pytest.raises(ConfigError, match=r"data\.flips"):
        config(data__flips=True)


def test_boxes_start_at_their_anchors_in_the_middle_of_their_cells():
    model = detector.build(config(), facts())
    model.get_layer("boxes").kernel.assign(np.zeros(model.get_layer("boxes").kernel.shape))
    cell = model.predict(np.zeros((1, 32, 32, 1)), verbose=0)[0, 2, 3]
    confidence = 100 / (50 * 4 * 4 * 2)  # objects over boxes, in the training samples
    assert cell[:10] == pytest.approx([0.5, 0.5, 0.2, 0.2, confidence, 0.5, 0.5, 0.4, 0.2, confidence], abs=1e-5)


def test_values_of_boxes_are_shares_and_class_scores_add_up_to_one():
    x, _ = squares(4)
    grid = detector.build(config(), facts()).predict(x, verbose=0)
    assert ((grid >= 0) & (grid <= 1)).all()
    assert grid[..., 10:].sum(axis=-1) == pytest.approx(np.ones((4, 4, 4)), abs=1e-5)


GRID, ANCHORS = Grid(cells=4, boxes=2, classes=3), np.array([[0.2, 0.2], [0.4, 0.2]])


def grids(*objects: tuple[float, ...]) -> np.ndarray:
    return encode(np.array([objects], dtype=np.float32), GRID, ANCHORS)


def test_the_loss_is_that_of_the_formula():
    truth = grids((0.125, 0.125, 0.25, 0.16, 1))  # box 1 of the first cell: x = y = 0.5
    guess = np.full_like(truth, 0.0)
    guess[0, 0, 0, :5] = 0.6, 0.3, 0.36, 0.25, 0.8
    guess[0, 0, 0, 9] = 0.1  # confidence of the other box of the cell
    guess[0, 0, 0, 10:] = 0.3, 0.5, 0.2
    guess[0, 3, 3, 4] = 0.4  # a box in a cell without an object; its class scores do not count
    places, sizes = 0.1**2 + 0.2**2, (0.6 - 0.5) ** 2 + (0.5 - 0.4) ** 2
    empty = GRID.cells**2 * GRID.boxes - 3  # boxes that are right to be sure that there is nothing
    expected = 5 * (places + sizes) - np.log(0.8) - 0.5 * (np.log(0.9) + np.log(0.6)) - np.log(0.5)
    assert float(GridLoss(2)(truth, guess)) == pytest.approx(expected, abs=0.5 * empty * 2e-7 + 1e-4)


def test_a_perfect_grid_has_no_loss_and_no_slope():
    import tensorflow as tf

    truth = tf.constant(grids((0.1, 0.1, 0.25, 0.16, 1), (0.9, 0.6, 0.4, 0.4, 2), (0, 0, 0, 0, -1)))
    with tf.GradientTape() as tape:
        tape.watch(truth)
        loss = GridLoss(2)(tf.stop_gradient(truth), truth)
    assert float(loss) == pytest.approx(0, abs=1e-4)
    assert not np.any(tape.gradient(loss, truth))


def test_every_fault_of_a_grid_costs():
    truth = grids((0.125, 0.125, 0.25, 0.16, 1))
    best = float(GridLoss(2)(truth, truth))
    for value in (0, 1, 2, 3, 4, 9, 11):  # x, y, w, h, confidence, confidence of the other box, score of the class
        guess = truth.copy()
        guess[0, 0, 0, value] = 0.9 if value != 4 else 0.5
        assert float(GridLoss(2)(truth, guess)) > best + 0.05


def test_what_is_responsible_for_nothing_has_no_place_size_or_class():
    truth = grids((0.125, 0.125, 0.25, 0.16, 1))
    guess = truth.copy()
    guess[0, 2, 2, [0, 1, 2, 3, 5, 6, 7, 8]] = 0.7
    guess[0, 2, 2, 10:] = 1 / 3
    guess[0, 0, 0, 5:9] = 0.3  # the other box of the cell
    assert float(GridLoss(2)(truth, guess)) == float(GridLoss(2)(truth, truth))


def test_objects_that_a_cell_has_no_box_for_are_told():
    crowd = np.array(
        [[(0.1, 0.1, 0.1, 0.1, 0), (0.1, 0.2, 0.1, 0.1, 0), (0.2, 0.1, 0.1, 0.1, 0), (0.9, 0.9, 0.1, 0.1, 1)]]
    )
    with pytest.warns(UserWarning, match=r"^squares\.npz: 1 of 4 objects are not learned, for 2 others"):
        detector.encoder(config(), facts())(crowd)
    with warnings.catch_warnings(action="error"):
        detector.encoder(config(detector__boxes=3), facts())(crowd)


def test_the_overlap_of_responsible_boxes_is_told():
    truth = np.concatenate([grids((0.125, 0.125, 0.2, 0.2, 1)), grids((0.625, 0.625, 0.2, 0.2, 1))])
    guess = truth.copy()
    guess[1, 2, 2, 2] = 0.1  # half as wide: IoU 1/2
    metric = BoxOverlap(2)
    metric.update_state(truth[:1], guess[:1])
    metric.update_state(truth[1:], guess[1:])
    assert float(metric.result()) == pytest.approx(0.75)
    metric.reset_state()
    metric.update_state(grids((0, 0, 0, 0, -1)), guess[:1])
    assert float(metric.result()) == 0


def test_loss_and_metric_can_be_made_again():
    loss = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(GridLoss(3, coordinates=2.0)))
    metric = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(BoxOverlap(3)))
    assert (loss.boxes, loss.coordinates, loss.empty) == (3, 2.0, 0.5)
    assert (metric.boxes, metric.name) == (3, "box_iou")


@pytest.fixture(scope="module")
def trained() -> tuple[keras.Model, Config, np.ndarray, np.ndarray, list[float]]:
    """Return a detector that was trained on a few squares for a few steps, what on, and its losses."""
    keras.utils.set_random_seed(0)
    x, y = squares(64)
    settings, known = config(), facts()
    known = dataclasses.replace(known, task=dataclasses.replace(known.task, sizes=typical_sizes(y)))
    model = detector.build(settings, known)
    loss, metrics = detector.loss(settings, known), detector.metrics(settings, known)
    model.compile(keras.optimizers.Adam(1e-2), loss=loss, metrics=metrics)
    history = model.fit(x, detector.encoder(settings, known)(y), epochs=25, batch_size=16, verbose=0).history
    return model, settings, x, y, history["loss"]


def test_the_loss_falls(trained):
    _, _, _, _, losses = trained
    assert losses[-1] < losses[0] / 5


def test_what_it_was_trained_on_is_found(trained):
    model, settings, x, y, _ = trained
    found = decode(model.predict(x, verbose=0), settings.detector)
    assert average_precision(y, found).mean > 0.8


@pytest.mark.long
def test_a_saved_model_loads_in_safe_mode_without_this_package(trained, tmp_path):
    model, _, x, _, _ = trained
    path, images, answer = (tmp_path / name for name in ("model.keras", "images.npy", "answer.npy"))
    keras.Model(model.inputs, model.outputs).save(path)  # not compiled: the loss is this package's
    np.save(images, x[:4])
    script = (
        "import sys, keras, numpy as np\n"
        f"model = keras.models.load_model({str(path)!r}, safe_mode=True)\n"
        f"np.save({str(answer)!r}, model.predict(np.load({str(images)!r}), verbose=0))\n"
        "assert not any(name.split('.')[0] == 'recipes' for name in sys.modules)\n"
    )
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environment, timeout=200)
    assert np.load(answer) == pytest.approx(model.predict(x[:4], verbose=0), abs=1e-5)
