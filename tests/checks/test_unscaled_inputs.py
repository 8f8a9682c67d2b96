from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from diagnose.blueprint import Blueprint, Layer
from diagnose.finding import Finding, Severity
from diagnose.run import Run, Split
from diagnose.sample import DataSample, SplitSample
from tests.blueprints import HE, classifier, data, dense, findings, layer, model, planned

CHECK = "unscaled-inputs"
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=(600, 32))
PIXELS = RNG.integers(0, 256, (600, 12, 12, 3)).astype("uint8")
SICK: Run = planned(data=data(inputs=PIXELS))


def look(inputs: np.ndarray, network: Blueprint | None = None, **more: object) -> tuple[Finding, ...]:
    return findings(CHECK, planned(network, data(inputs=inputs, **more)))


def loud(inputs: np.ndarray, network: Blueprint | None = None, **more: object) -> list[Finding]:
    return [f for f in look(inputs, network, **more) if f.severity is Severity.WARNING]


def convolutional(*before: Layer) -> Blueprint:
    first = layer("Conv2D", (None, 12, 12, 8), given=(None, 12, 12, 3), parameters=224)
    flat = layer("Flatten", (None, 1152), given=(None, 12, 12, 8))
    return model(*before, first, flat, dense(10, "softmax", given=1152), given=(None, 12, 12, 3))


def of_images(kind: str, **more: object) -> Layer:
    return layer(kind, (None, 12, 12, 3), **more)


def test_pixels_straight_into_the_net():
    (found,) = loud(PIXELS, convolutional())
    assert "The pixels of 'x', between 0 and 255, go straight into conv2d, with a" in found.summary
    assert found.layers == ("conv2d",)
    assert found.fixes[0].id == "rescale-pixels"


@pytest.mark.parametrize("kind", ["Normalization", "BatchNormalization", "LayerNormalization"])
def test_a_model_that_begins_with_a_normalization(kind):
    assert look(PIXELS, convolutional(of_images("RandomFlip"), of_images(kind))) == ()


def test_a_model_that_begins_with_a_rescaling():
    assert look(PIXELS, convolutional(of_images("Rescaling", settings={"scale": 1 / 255, "offset": 0.0}))) == ()


def test_a_rescaling_that_does_not_rescale_enough():
    assert loud(PIXELS, convolutional(of_images("Rescaling", settings={"scale": 0.5, "offset": 0.0})))


def test_pixels_that_were_scaled_or_centred():
    assert look(PIXELS / 255, convolutional()) == ()
    assert look(PIXELS.astype("float32") - np.array([104, 117, 124]), convolutional()) == ()


def test_batch_normalization_behind_the_first_layer_takes_the_scale_away():
    network = convolutional()
    norm = layer("BatchNormalization", (None, 12, 12, 8))
    network = model(
        network.layers[1], norm, network.layers[2], dense(10, "softmax", given=1152), given=(None, 12, 12, 3)
    )
    assert [f.severity for f in look(PIXELS, network)] == [Severity.INFO]


def test_what_nobody_knows_is_not_judged():
    assert look(PIXELS, convolutional(of_images("Lambda", is_custom=True))) == ()


def test_an_income_beside_an_age():
    table = np.stack([RNG.normal(50_000, 20_000, 600), RNG.normal(40, 12, 600)], axis=1)
    (found,) = loud(table, features={"x": ("income", "age")})
    assert "income" in found.summary
    assert "age" in found.summary


def test_without_a_model_a_raw_table_is_worth_knowing_only():
    table = np.stack([RNG.normal(50_000, 20_000, 600), RNG.normal(40, 12, 600)], axis=1)
    assert [f.severity for f in look(table, is_raw=True)] == [Severity.INFO]


@pytest.mark.parametrize(("factor", "fires"), [(9.0, False), (12.0, True), (2e-3, False), (1e-4, True)])
def test_how_large_a_spread_may_be(factor, fires):
    assert bool(loud(NORMAL * factor, classifier())) == fires


@pytest.mark.parametrize(("mean", "fires"), [(8.0, False), (15.0, True)])
def test_how_far_from_zero(mean, fires):
    assert bool(loud(NORMAL + mean, classifier())) == fires


def test_one_hot_and_rare_columns_are_fine():
    onehot = np.eye(30)[RNG.integers(0, 30, 600)]
    assert loud(np.concatenate([onehot, NORMAL[:, :2] * 3], axis=1)) == []


def test_numbers_of_words_are_not_to_be_scaled():
    words = RNG.integers(0, 20_000, (600, 32))
    embedding = layer("Embedding", (None, 32, 8), given=(None, 32), parameters=160_000)
    pooled = layer("GlobalAveragePooling1D", (None, 8), given=(None, 32, 8))
    assert look(words, model(embedding, pooled, dense(10, "softmax", given=8))) == ()
    assert look(words) == ()
    assert loud(words, classifier())  # straight into a dense layer


def test_a_constant_feature_and_long_tails_are_worth_knowing():
    table = NORMAL[:, :4].copy()
    table[:, 1] = 3.0
    table[:, 2] = RNG.standard_cauchy(600) * 1e-2
    table[0, 2] = 50.0
    assert {f.fixes[0].id for f in look(table)} == {"drop-constant-features", "compress-tails"}
    assert all(f.severity is Severity.INFO for f in look(table))


def test_the_margin_of_flat_pictures_is_no_feature():
    """As the digits of scikit-learn: 8 x 8, whole numbers from 0 to 16 kept as fractions."""
    pixels = RNG.integers(0, 17, (300, 64)).astype("float64")
    pixels[:, [0, 32, 39]] = 0
    assert look(pixels) == look(np.repeat(pixels, 3, axis=1)) == ()
    pixels[:, 1] = 3  # no margin
    assert "4 of 64 features" in look(pixels)[0].summary


def test_several_inputs_are_told_apart_by_name():
    inputs = [layer("InputLayer", (None, 8), name=name) for name in ("small", "large")]
    joined = layer("Dense", (None, 4), given=(None, 8), initializer=HE)
    heads = [dataclasses.replace(joined, name=f"of_{i.name}", inputs=(i.name,)) for i in inputs]
    network = Blueprint(name="two", kind="Functional", layers=(*inputs, *heads))
    sample = SplitSample(inputs={"small": NORMAL[:, :8], "large": NORMAL[:, :8] * 1e3})
    (found,) = findings(CHECK, planned(network, DataSample(source="x", splits={Split.TRAIN: sample})))
    assert found.layers == ("of_large",)


def test_pixels_that_were_divided_by_255_twice():
    assert len(loud(PIXELS / 255.0**2, convolutional())) == 1
    assert len(loud(PIXELS / 255.0**2)) == 1
    rescaled = convolutional(of_images("Rescaling", settings={"scale": 1 / 127.5, "offset": -1.0}))
    (found,) = loud(PIXELS / 255.0, rescaled)
    assert "tiny" in found.summary


def test_a_few_stars_in_the_dark_are_bright_enough():
    sky = 1e-4 * RNG.random((300, 12, 12, 1))
    sky[:, 6, 6] = 1.0
    assert look(sky, convolutional()) == ()


def test_pixels_in_columns_that_were_divided_by_255_twice():
    flat = (PIXELS[..., 0] / 255.0**2).reshape(600, 144)
    assert len(loud(flat)) == 1
    assert look(flat * 255.0) == ()


@pytest.mark.parametrize("columns", [384, 1536, 4096])
def test_unit_vectors_are_no_tiny_inputs(columns):
    vectors = RNG.normal(size=(200, columns))
    assert look(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) == ()


def test_sound_in_16_bits_without_a_model():
    sound = (3000 * RNG.normal(size=(50, 400, 1))).astype("int16")
    assert len(loud(sound)) == 1
    words = RNG.integers(0, 5000, (50, 400)).astype("int32")
    assert look(words) == ()


@pytest.mark.parametrize("code", [-999.0, 9999.0])
def test_a_number_that_stands_for_a_missing_one(code):
    inputs = NORMAL.copy()
    inputs[::20, 3] = code
    (found,) = loud(inputs)
    assert f"have {code:g} in x[3]" in found.summary
    assert found.fixes[0].id == "impute-missing"


def test_outliers_are_no_codes():
    inputs = NORMAL.copy()
    inputs[0, 3], inputs[1, 3], inputs[2, 3] = 200.0, 210.0, 205.0
    assert loud(inputs) == []
    counts = RNG.poisson(1.0, (600, 4)).astype(float)
    counts[:3, 0] = 15.0
    assert loud(counts) == []


def test_numbers_of_words_that_are_cut_off_at_the_most_there_are_are_no_codes():
    words = np.minimum(RNG.zipf(1.5, (400, 30)), 500)
    assert look(words) == ()
    assert look(np.where(words == 500, -999, words))
