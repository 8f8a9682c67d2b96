"""What a training runs on. Devices that are not here are faked; a processor in parts needs a process of its own."""

import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes.config import TrainingConfig
from recipes.errors import RecipeError
from tuners import devices

pytestmark = pytest.mark.keras

TPU_VARIABLES = ("TPU_NAME", "COLAB_TPU_ADDR", "TPU_WORKER_ID", "TPU_ACCELERATOR_TYPE")


@pytest.fixture(autouse=True)
def no_tpu(monkeypatch):
    for name in TPU_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    devices._connected_tpu.cache_clear()
    yield
    devices._connected_tpu.cache_clear()


def chosen(**settings):
    return devices.strategy(TrainingConfig(**settings))


def refused(**settings):
    with pytest.raises(RecipeError) as caught:
        chosen(**settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def cards(monkeypatch):
    """Two graphics cards that are not there; what is asked of TensorFlow is noted."""
    asked = SimpleNamespace(visible=None, growth=[], mirrored=None)
    found = [f"card {i}" for i in range(2)]
    listed = tf.config.list_physical_devices

    def mirrored(names, **options):
        asked.mirrored = names, options
        return "mirrored"

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: found if kind == "GPU" else listed(kind))
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda used, kind: setattr(asked, "visible", (used, kind)))
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda card, _: asked.growth.append(card))
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", mirrored)
    devices._mirrored.cache_clear()
    yield asked
    devices._mirrored.cache_clear()


class TestProcessor:
    @pytest.mark.parametrize("settings", [{}, {"accelerator": "cpu"}, {"accelerator": "cpu", "devices": 1}])
    def test_one_is_keras_without_a_strategy(self, settings):
        assert chosen(**settings) is tf.distribute.get_strategy()
        assert devices.describe(chosen(**settings)) == "1 x CPU"

    def test_graphics_cards_are_hidden(self, cards):
        chosen(accelerator="cpu")
        assert cards.visible == ([], "GPU")

    def test_a_graphics_card_that_is_in_use_cannot_be_hidden(self, cards, monkeypatch):
        def too_late(*_):
            raise RuntimeError("Visible devices cannot be modified after being initialized")

        monkeypatch.setattr(tf.config, "set_visible_devices", too_late)
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["card 0"])
        assert "already uses a graphics card" in refused(accelerator="cpu")


class TestGraphicsCards:
    def test_there_is_none(self, monkeypatch):
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
        assert refused(accelerator="gpu").startswith("there is no graphics card that TensorFlow can use")

    @pytest.mark.parametrize("settings", [{}, {"accelerator": "gpu"}, {"devices": 2}])
    def test_all_are_used_and_their_memory_is_taken_as_needed(self, cards, settings):
        assert chosen(**settings) == "mirrored"
        assert cards.mirrored == (["GPU:0", "GPU:1"], {})
        assert cards.growth == ["card 0", "card 1"]

    def test_one_of_two(self, cards):
        assert chosen(devices=1) is tf.distribute.get_strategy()
        assert cards.visible == (["card 0"], "GPU")

    def test_fewer_than_asked_for(self, cards):
        assert refused(accelerator="gpu", devices=3) == "training.devices is 3, and there are 2 graphics cards"

    def test_tensorflow_has_begun(self, cards, monkeypatch):
        def too_late(*_):
            raise RuntimeError("Physical devices cannot be modified after being initialized")

        monkeypatch.setattr(tf.config, "set_visible_devices", too_late)
        assert chosen() == "mirrored"


class FakeTPU:
    """A TPU with eight cores behind TensorFlow's interface; `steps` notes what was done."""

    def __init__(self, monkeypatch, connect=lambda: None):
        self.steps = []
        note = self.steps.append

        def resolver(tpu):
            note(f"resolve {tpu}")
            return "resolver"

        def connected(found):
            note("connect")
            connect()

        class TPUStrategyV2:
            num_replicas_in_sync = 8

            def __init__(self, found):
                note("strategy")

        monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", resolver)
        monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", connected)
        monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", lambda found: note("initialize"))
        monkeypatch.setattr(tf.distribute, "TPUStrategy", TPUStrategyV2)


class TestTPU:
    def test_without_a_word_in_the_environment_none_is_looked_for(self, monkeypatch):
        fake = FakeTPU(monkeypatch)
        chosen()
        assert "the environment names none" in refused(accelerator="tpu")
        assert fake.steps == []

    @pytest.mark.parametrize("accelerator", ["auto", "tpu"])
    def test_the_one_that_the_environment_names(self, monkeypatch, accelerator):
        fake = FakeTPU(monkeypatch)
        monkeypatch.setenv("TPU_NAME", "my-tpu")
        assert devices.describe(chosen(accelerator=accelerator)) == "8 x TPU (TPUStrategyV2)"
        assert fake.steps == ["resolve my-tpu", "connect", "initialize", "strategy"]

    def test_a_local_one_needs_no_connection(self, monkeypatch):
        fake = FakeTPU(monkeypatch)
        monkeypatch.setenv("TPU_WORKER_ID", "0")
        chosen(accelerator="tpu", devices=8)
        assert fake.steps == ["resolve local", "initialize", "strategy"]

    def test_it_is_initialized_once_in_a_process(self, monkeypatch):
        fake = FakeTPU(monkeypatch)
        monkeypatch.setenv("TPU_NAME", "my-tpu")
        assert chosen(accelerator="tpu") is chosen(accelerator="tpu")
        assert fake.steps.count("initialize") == 1

    def test_a_part_of_it(self, monkeypatch):
        FakeTPU(monkeypatch)
        monkeypatch.setenv("TPU_NAME", "my-tpu")
        assert "the TPU has 8 cores" in refused(accelerator="tpu", devices=4)

    def test_one_that_cannot_be_reached(self, monkeypatch):
        def unreachable():
            raise ValueError("Could not look up TPU metadata\nfor my-tpu")

        FakeTPU(monkeypatch, unreachable)
        monkeypatch.setenv("TPU_NAME", "my-tpu")
        assert "the TPU 'my-tpu' that the environment names cannot be used: Could not look up" in refused()

    def test_one_that_never_answers(self, monkeypatch):
        never = threading.Event()
        FakeTPU(monkeypatch, never.wait)
        monkeypatch.setenv("TPU_NAME", "my-tpu")
        monkeypatch.setattr(devices, "_TPU_SECONDS", 0.05)
        assert "no answer within 0.05 seconds" in refused(accelerator="tpu")
        never.set()


class TestPrecision:
    @pytest.mark.parametrize(
        ("name", "computes", "weights"),
        [
            ("float32", "float32", "float32"),
            ("mixed_float16", "float16", "float32"),
            ("mixed_bfloat16", "bfloat16", "float32"),
            ("float64", "float64", "float64"),
        ],
    )
    def test_layers_are_built_in_it(self, name, computes, weights):
        with devices.precision(name):
            layer = keras.layers.Dense(2)
            layer.build((None, 3))
        assert (layer.compute_dtype, layer.kernel.dtype) == (computes, weights)

    def test_in_double_precision_losses_are_double_too(self):
        with devices.precision("float64"):
            loss = keras.losses.MeanSquaredError()(np.array([1.0 + 1e-12]), np.array([1.0]))
        assert float(loss) == pytest.approx(1e-24, rel=1e-3)

    def test_the_former_one_is_back_afterwards(self):
        before = keras.config.dtype_policy().name, keras.config.floatx()
        with pytest.raises(ZeroDivisionError), devices.precision("float64"):
            _ = 1 / 0
        assert (keras.config.dtype_policy().name, keras.config.floatx()) == before

    def test_half_precision_on_a_processor_is_worth_a_note(self):
        processor = chosen()
        assert "mixed_float16 makes a processor slower" in devices.precision_note("mixed_float16", processor)
        assert devices.precision_note("float32", processor) == ""


PARTS = """
import numpy as np, keras, tensorflow as tf
from recipes.config import TrainingConfig
from recipes.errors import RecipeError
from tuners import devices

strategy = devices.strategy(TrainingConfig(accelerator="cpu", devices=2))
assert devices.describe(strategy) == "2 x CPU (MirroredStrategy)", devices.describe(strategy)
again = devices.strategy(TrainingConfig(devices=2))
assert again is strategy

x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
y = x.sum(axis=1, keepdims=True)

def trained(scope):
    keras.utils.set_random_seed(0)
    with scope:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    return model.fit(x, y, epochs=2, batch_size=16, shuffle=False, verbose=0).history["loss"]

together = trained(strategy.scope())
alone = trained(devices.strategy(TrainingConfig(accelerator="cpu")).scope())
np.testing.assert_allclose(together, alone, rtol=1e-4)

try:
    devices.strategy(TrainingConfig(devices=3, accelerator="cpu"))
except RecipeError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_processor_in_two_parts_trains_as_one_does():
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", PARTS], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("the processor cannot be made 3 devices: TensorFlow already uses it as 2")
