"""What Monitor builds into a model's training step: the taps of its optimizers and the catch of its samples."""

from __future__ import annotations

import weakref

import keras

from diagnose.live.anatomy import WatchedLayer, layers_of
from diagnose.live.catch import Catch
from diagnose.live.taps import Sample, Tap, optimizers_of

#: Where a training function says what it was traced with. It lives as long as the function, which `compile` drops.
_MARK = "_kerasdx_instrument"


class Instrument:
    """The sampling inside one model's training step.

    Parameters
    ----------
    model
        A compiled model.
    samples
        How many training samples to catch as the probe batch.
    """

    def __init__(self, model: keras.Model, samples: int) -> None:
        compiled = bool(model.jit_compile) and not model.run_eagerly
        # The training function, which the model holds, holds this: not the other way round as well.
        self._model = weakref.ref(model)
        self._layers: tuple[WatchedLayer, ...] = ()
        self.taps = tuple(Tap(o, self._trained, static_shapes=compiled) for o in optimizers_of(model))
        self.catch = Catch(samples, static_shapes=compiled)

    @property
    def layers(self) -> tuple[WatchedLayer, ...]:
        """Every layer of the model; none as long as it has no weights."""
        model = self._model()
        if not self._layers and model is not None and model.weights:
            self._layers = layers_of(model)
        return self._layers

    @property
    def weighted(self) -> tuple[WatchedLayer, ...]:
        """The layers with weights."""
        return tuple(layer for layer in self.layers if layer.weights)

    def _trained(self) -> list[WatchedLayer]:
        return [layer for layer in self.layers if layer.trained]

    def schedule(self, every: int, *, dense: int = 0) -> None:
        """Begin an epoch: forget the last one, and sample so many steps of each optimizer; see `Tap.schedule`."""
        for tap in self.taps:
            tap.schedule(every, dense=dense)
        self.catch.begin_epoch()

    def read(self) -> list[Sample]:
        """Return what was sampled in the epoch, of each optimizer."""
        return [tap.read() for tap in self.taps]

    def attach(self, model: keras.Model) -> None:
        """Wrap what the training step calls, so that a step that is traced from now on is sampled."""
        for tap in self.taps:
            tap.attach()
        self.catch.attach(model)

    def detach(self) -> None:
        """Stop sampling. The training function keeps what it was traced with, and a later training finds it there."""
        self.schedule(0)
        for tap in self.taps:
            tap.detach()
        self.catch.detach()


def install(model: keras.Model, samples: int) -> Instrument:
    """Put the sampling into a model's training step, which is traced anew where it had none.

    Parameters
    ----------
    model
        A compiled model.
    samples
        How many training samples to catch as the probe batch.
    """
    known: Instrument | None = getattr(model.train_function, _MARK, None)
    if known is not None and known.catch.wanted == samples:
        known.attach(model)
        return known
    instrument = Instrument(model, samples)
    instrument.attach(model)
    model.make_train_function(force=True)
    setattr(model.train_function, _MARK, instrument)
    return instrument
