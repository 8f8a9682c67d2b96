"""Gradients, weights and steps, sampled inside the compiled training step where the optimizer applies them.

The optimizer's ``apply`` is wrapped on the instance while the training function is traced. What it is given are the
true gradients of the step: there is no second backward pass, and nothing is sent to the host before the epoch ends.
On a sampled step, and on no other, the wrapper copies the weights, lets the optimizer do its work, and adds norms to
an accumulator of one column per layer.

* Gradients are those of the loss: before clipping, after loss scaling was undone, summed over the replicas of a
  distribution strategy, and averaged over the steps that a gradient accumulation puts together.
* Norms are taken as ``m * ||g / m||`` with ``m = max |g|``: they neither overflow nor vanish where their squares would
  (Blue, A portable Fortran program to find the Euclidean norm of a vector, ACM TOMS 1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from diagnose.live.anatomy import WatchedLayer
from diagnose.live.patch import Patch

#: Rows of the accumulator.
_SUM, _LARGEST, _FINITE, _SEEN, _RATIOS, _MOVES, _WEIGHT = range(7)
_ROWS = 7


class LayerSample(NamedTuple):
    """What the sampled steps of one epoch add up to for one layer.

    Parameters
    ----------
    gradient, largest
        Mean and largest norm of the gradient. The mean is that of the finite ones; the largest is infinite where one
        overflowed. NaN tells of neither: it may have come with the data. Both are NaN where no step was finite.
    weight
        Norm of the weights after the last sampled step.
    update
        Mean length of a step relative to the weights.
    """

    gradient: float
    largest: float
    weight: float
    update: float


@dataclass(frozen=True)
class Sample:
    """What the sampled steps of one epoch add up to.

    Parameters
    ----------
    layers
        Of each layer that the optimizer was given a gradient for.
    overall
        Mean norm of the gradient of all of them together; NaN where no step was sampled.
    steps
        How many steps were sampled.
    """

    layers: Mapping[str, LayerSample]
    overall: float
    steps: int


class Tap:
    """The wrapper of one optimizer's ``apply``.

    Parameters
    ----------
    optimizer
        The optimizer whose variables are layers' weights.
    layers
        Returns the layers that it may train; none as long as the model is not built, which may be as late as the first
        step.
    static_shapes
        Whether the step is compiled by XLA, which wants the same shapes on sampled steps and on others.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        layers: Callable[[], Sequence[WatchedLayer]],
        *,
        static_shapes: bool = False,
    ) -> None:
        self.optimizer = optimizer
        self.error: Exception | None = None
        self._find_layers = layers
        self._layers: tuple[WatchedLayer, ...] = ()
        self._place: dict[int, int] = {}
        self._patch = Patch(optimizer, "apply")
        self._static_shapes = static_shapes
        self._reached: set[int] = set()
        self._sums: tf.Variable | None = None
        # First update of the epoch, distance of sampled updates, update before which every one is sampled.
        self._schedule = tf.Variable(tf.zeros(3, tf.int64), trainable=False, name="kerasdx_schedule")
        self._find()

    def attach(self) -> None:
        """Put the wrapper in front of the optimizer's ``apply``, until `detach`."""

        def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
            def apply(grads: Any, trainable_variables: Any = None) -> Any:
                return self._apply(original, list(grads), trainable_variables)

            return apply

        self._patch.put_on(wrapped)

    def detach(self) -> None:
        """Take the wrapper away; a function traced with it keeps its sampling."""
        self._patch.take_off()

    def schedule(self, every: int, *, dense: int = 0) -> None:
        """Forget what was sampled, and sample every so manieth update from now on; none where `every` is 0.

        Parameters
        ----------
        every
            How far apart the sampled updates lie.
        dense
            So many of the next updates are sampled one by one.
        """
        if self._sums is not None:
            self._sums.assign(tf.zeros_like(self._sums))
        done = int(self.optimizer.iterations.numpy())  # updates, not steps
        self._schedule.assign([done, every, done + dense])

    def read(self) -> Sample:
        """Return what was sampled since `schedule` was called."""
        if self._sums is None:
            return Sample({}, math.nan, 0)
        sums = self._sums.numpy().astype(np.float64)
        seen = sums[_SEEN]
        with np.errstate(all="ignore"):
            mean = sums[_SUM] / sums[_FINITE]
            update = sums[_RATIOS] / sums[_MOVES]
        largest = np.where((sums[_FINITE] > 0) | np.isinf(sums[_LARGEST]), sums[_LARGEST], np.nan)
        rows = np.stack([mean, largest, sums[_WEIGHT], update])
        steps = int(seen[-1])
        reached = sorted(self._reached) if steps else []
        return Sample(
            layers={self._layers[i].name: LayerSample(*rows[:, i].tolist()) for i in reached},
            overall=float(mean[-1]) if steps else math.nan,
            steps=steps,
        )

    def _find(self) -> None:
        """Find the layers, and make room for their sums, as soon as there are any."""
        if not self._layers:
            self._layers = tuple(self._find_layers())
            self._place = {_key(v): i for i, layer in enumerate(self._layers) for v in layer.trained}
        if self._layers and self._sums is None:
            with tf.init_scope():  # variables are made outside of the step that may be under way
                # A column for each layer, and one for all of them together.
                self._sums = tf.Variable(tf.zeros((_ROWS, len(self._layers) + 1)), trainable=False, name="kerasdx_sums")

    def _apply(self, original: Callable[..., Any], grads: list[Any], variables: Any) -> Any:
        """Apply gradients as the optimizer does, with a look at the weights before and after."""
        if self.error is None and self._sums is None:
            try:
                _in_one_place(lambda _: self._find(), ())
            except Exception as error:
                self.error = error
        given = list(self.optimizer._trainable_variables if variables is None else variables)
        watched = [(g, v) for g, v in zip(grads, given, strict=False) if g is not None and _key(v) in self._place]
        if self.error is not None or not watched:
            return original(grads, variables)
        trained = [v for _, v in watched]
        self._reached |= {self._place[_key(v)] for v in trained}
        try:
            if not self.optimizer.built:  # as `apply` would, a moment later: sums of gradients are there only then
                with keras.name_scope(self.optimizer.name):
                    self.optimizer.build(given)
            gradients = self._averaged([g for g, _ in watched], trained)
            before = _in_one_place(lambda _: self._before(trained), ())
        except Exception as error:  # seen when the step is traced: the training goes on without the samples
            self.error = error
            return original(grads, variables)
        result = original(grads, variables)
        try:
            _in_one_place(lambda seen: self._after(*seen, variables=trained), (gradients, *before))
        except Exception as error:
            self.error = error
        return result

    def _sampled(self) -> Any:
        """Whether this step is one of those to look at: a scalar tensor."""
        steps = self.optimizer._iterations
        put_together = _accumulated(self.optimizer)
        update = tf.cast(steps, tf.int64) // put_together
        first, every, dense = tf.unstack(self._schedule)
        due = (update < dense) | ((update - first) % tf.maximum(every, 1) == 0)
        if put_together > 1:
            due &= (tf.cast(steps, tf.int64) + 1) % put_together == 0
        return due & (every > 0)

    def _before(self, variables: list[Any]) -> tuple[Any, Any]:
        """Return whether the step is sampled, and a copy of the variables if it is, shape (n,).

        No gradient is looked at here: the first updates would have to wait for the last gradient.
        """
        sampled = self._sampled()
        values = [_value(v) for v in variables]
        length = sum(v.shape.num_elements() for v in values) if self._static_shapes else 0

        @self._apart
        def copy() -> Any:
            return _flat(values)

        return sampled, tf.cond(sampled, copy, lambda: tf.zeros(length))

    def _after(self, gradients: list[Any], sampled: Any, copy: Any, *, variables: list[Any]) -> None:
        """Add the norms of a sampled step to the accumulator."""
        values = [_value(v) for v in variables]
        places = [self._place[_key(v)] for v in variables]
        sizes = [v.shape.num_elements() for v in values]

        @self._apart
        def look() -> Any:
            now = _flat(values)
            halves = [
                half_square(tensor) for tensor in (*gradients, *tf.split(now, sizes), *tf.split(now - copy, sizes))
            ]
            squares = 2.0 * tf.reshape(tf.stack(halves), (3, len(values)))
            assert self._sums is not None
            self._sums.assign(_added(self._sums, _by_layer(squares, places, len(self._layers))))
            return tf.constant(True)

        tf.cond(sampled, look, lambda: tf.constant(False))

    def _apart(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Return a function as one node of the graph, which costs next to nothing in steps that do not call it.

        Laid open in the branch of a condition, every operation of it would be visited in every step.
        """
        if tf.executing_eagerly() or self._static_shapes:
            return function
        return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})

    def _averaged(self, grads: list[Any], variables: list[Any]) -> list[Any]:
        """Return the gradients of the loss that an update uses: unscaled, and averaged where steps are put together."""
        scale = self.optimizer.loss_scale_factor
        if scale is not None:
            grads = [tf.convert_to_tensor(g) / scale for g in grads]
        steps = _accumulated(self.optimizer)
        if steps == 1:
            return grads
        sums = self.optimizer._accumulated_gradients
        earlier = [sums[self.optimizer._get_variable_index(v)] for v in variables]
        return [(tf.convert_to_tensor(g) + _value(e)) / steps for g, e in zip(grads, earlier, strict=True)]


def optimizers_of(model: keras.Model) -> Iterator[keras.optimizers.Optimizer]:
    """Yield the optimizers that a model trains with: that of ``compile``, and those of its own training step."""
    seen = set()
    for optimizer in (model.optimizer, *_held(vars(model).values())):
        while hasattr(optimizer, "inner_optimizer"):  # loss scaling: the inner one is given the true gradients
            optimizer = optimizer.inner_optimizer
        if isinstance(optimizer, keras.optimizers.Optimizer) and id(optimizer) not in seen:
            seen.add(id(optimizer))
            yield optimizer


def _held(values: Iterable[Any]) -> Iterator[Any]:
    """Yield attributes, and what is in those that are lists or mappings."""
    for value in values:
        if isinstance(value, Mapping):
            yield from value.values()
        elif isinstance(value, list | tuple):
            yield from value
        else:
            yield value


def _in_one_place(function: Callable[[Any], Any], values: Any) -> Any:
    """Call a function on what all replicas have together, where there are several."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return function(values)
    return context.merge_call(lambda _strategy, together: function(together), args=(values,))


def _by_layer(squares: Any, places: Any, layers: int) -> Any:
    """Return squared norms of variables, shape (n, V), as norms of layers and of all together, shape (n, L + 1)."""
    squares = tf.transpose(squares)
    of_layers = tf.math.unsorted_segment_sum(squares, places, layers)
    together = tf.reduce_sum(squares, axis=0, keepdims=True)
    return tf.cast(tf.transpose(tf.sqrt(tf.concat([of_layers, together], 0))), tf.float32)


def _added(sums: Any, norms: Any) -> Any:
    """Return the accumulator with one more sampled step; `norms` are of gradients, weights and moves."""
    gradient, weight, move = tf.unstack(norms)
    finite = tf.math.is_finite(gradient)
    ratio = tf.math.divide_no_nan(move, weight)
    moved = tf.math.is_finite(ratio)
    one = tf.ones_like(gradient)
    rows = tf.unstack(tf.convert_to_tensor(sums))
    rows[_SUM] += tf.where(finite, gradient, 0.0)
    rows[_LARGEST] = tf.maximum(rows[_LARGEST], tf.where(tf.math.is_nan(gradient), 0.0, gradient))
    rows[_FINITE] += tf.where(finite, one, 0.0)
    rows[_SEEN] += one
    rows[_RATIOS] += tf.where(moved, ratio, 0.0)
    rows[_MOVES] += tf.where(moved, one, 0.0)
    rows[_WEIGHT] = weight
    return tf.stack(rows)


def _flat(values: list[Any]) -> Any:
    return tf.concat([tf.reshape(tf.cast(v, tf.float32), [-1]) for v in values], 0)


def half_square(tensor: Any) -> Any:
    """Return half the sum of squares, a float64 scalar, of what is one tensor, comes in slices, or in parts by replica.

    Squares of float32 leave its range from 1e19 and below 1e-19; in float64 they need no scaling, which would be nine
    more operations to trace for each variable.
    """
    return tf.nn.l2_loss(tf.cast(_whole(tensor), tf.float64))


def _whole(gradient: Any) -> Any:
    """Return a gradient as one dense tensor: of an embedding it comes in slices, of replicas in parts."""
    if isinstance(gradient, tf.distribute.DistributedValues):
        return tf.add_n([_whole(part) for part in gradient.values])
    return tf.convert_to_tensor(gradient)


def _value(variable: Any) -> Any:
    return variable.value if isinstance(variable, keras.Variable) else variable


def _key(variable: Any) -> int:
    return id(variable)


def _accumulated(optimizer: keras.optimizers.Optimizer) -> int:
    """Return how many steps one update of the weights is made of."""
    return int(optimizer.gradient_accumulation_steps or 1)
