"""What Monitor builds into a model's training step: the taps of its optimizers and the catch of its samples."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from diagnose.live.anatomy import WatchedLayer, layers_of
from diagnose.live.catch import Catch
from diagnose.live.taps import Sample, Tap, optimizers_of

#: Where a training function says what it was traced with. It lives as long as the function, which `compile` drops.
_MARK = "_kerasdx_instrument"


@dataclass
class Instrument:
    """The sampling inside one model's training step.

    Parameters
    ----------
    layers
        Every layer of the model.
    taps, catch
        What samples.
    """

    layers: tuple[WatchedLayer, ...]
    taps: tuple[Tap, ...]
    catch: Catch

    @property
    def weighted(self) -> tuple[WatchedLayer, ...]:
        """The layers with weights."""
        return tuple(layer for layer in self.layers if layer.weights)

    def schedule(self, every: int, *, dense: int = 0) -> None:
        """Begin an epoch: forget the last one, and sample so many steps of each optimizer; see `Tap.schedule`."""
        for tap in self.taps:
            tap.schedule(every, dense=dense)
        self.catch.begin_epoch()

    def read(self) -> list[Sample]:
        """Return what was sampled in the epoch, of each optimizer."""
        return [tap.read() for tap in self.taps]

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
        A compiled and built model.
    samples
        How many training samples to catch as the probe batch.
    """
    known = getattr(model.train_function, _MARK, None)
    is_fit = known is not None and known.catch.wanted == samples
    instrument = known if is_fit else _build(model, samples)
    for tap in instrument.taps:
        tap.attach()
    instrument.catch.attach(model)
    if not is_fit:
        model.make_train_function(force=True)
        setattr(model.train_function, _MARK, instrument)
    return instrument


def _build(model: keras.Model, samples: int) -> Instrument:
    layers = layers_of(model)
    trained = [layer for layer in layers if layer.trained]
    compiled = bool(model.jit_compile) and not model.run_eagerly
    return Instrument(
        layers=layers,
        taps=tuple(Tap(optimizer, trained, static_shapes=compiled) for optimizer in optimizers_of(model)),
        catch=Catch(samples, static_shapes=compiled),
    )
