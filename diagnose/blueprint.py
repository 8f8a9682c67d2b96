"""A model before its training, as plain data: layers with their settings, outputs with their losses, the compilation.

`diagnose.audit` makes one of a Keras model; checks of the family ``model`` look at it. Nothing here knows Keras.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

#: With the batch axis; None where an axis has no fixed size.
Shape = tuple[int | None, ...]


class Curve(StrEnum):
    """What an activation function is like, judged by its values and derivatives and not by its name."""

    LINEAR = "linear"
    #: Zero for all that is negative: ReLU, capped or not.
    RECTIFIER = "rectifier"
    #: Like ReLU, with something left of the negative side: leaky ReLU, ELU, PReLU, swish, GELU, softplus, SELU.
    RECTIFIER_LIKE = "rectifier-like"
    #: Between two bounds: sigmoid (`Activation.low` is 0) and tanh (-1), hard forms too.
    SQUASHING = "squashing"
    SOFTMAX = "softmax"
    #: Its derivative is zero, or is not there, nearly everywhere: steps, signs, rounding.
    STEP = "step"
    #: A non-linear function of another kind: a sine, a Gaussian.
    OTHER = "other"
    #: It could not be judged.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Activation:
    """A function that a layer applies to its output.

    Parameters
    ----------
    name
        What Keras calls it, ``relu``; of a function of the user's its name.
    curve
        What it is like.
    low, high
        Bounds of its values; None where there is none (or none is known).
    gradient_share
        Share of the looked-at inputs, between -20 and 20, at which its derivative is neither zero nor missing.
    axis
        Along which the values of a softmax sum to 1.
    """

    name: str
    curve: Curve
    low: float | None = None
    high: float | None = None
    gradient_share: float = 1.0
    axis: int = -1

    @property
    def is_linear(self) -> bool:
        """Whether it leaves a stack of linear layers one linear layer."""
        return self.curve is Curve.LINEAR


@dataclass(frozen=True)
class Initializer:
    """How weights begin: Keras' class name (``HeNormal``, ``Constant``) and its settings without the seed."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer, or one operation of a functional graph.

    Parameters
    ----------
    name
        Unique in the model: its own name, with those of its containers before it where two share one.
    kind
        Its Keras class (``Conv2D``), or the name of the operation (``Add`` for ``keras.ops.add``).
    inputs
        Names of the layers whose outputs it takes, over all its calls; empty for an input.
    input_shapes, output_shapes
        Of its first call; empty where they are not known.
    settings
        The plain part of its configuration: ``units``, ``filters``, ``kernel_size``, ``strides``, ``padding``,
        ``use_bias``, ``rate`` ...; regularizers as ``{"name": "L2", "l2": 0.01}``.
    activation
        What it applies to its output; None where it applies none (not even ``linear``).
    initializer, bias_initializer
        Of its kernel (embeddings, depthwise kernel) and bias; None where it has none.
    parameters, trainable_parameters
        Numbers in its own variables; what containers hold is told by the layers in them.
    is_trainable
        Whether its ``trainable`` and that of all its containers is True.
    is_custom
        Whether what it computes is not Keras' own: nothing is known of what it does to its input.
    calls
        How often the model uses it.
    training
        The ``training`` argument that code of the user's calls it with, whatever the model is called with; None where
        Keras decides, as it does in every functional model.
    default_training
        The ``training`` argument that is written in a functional graph. ``fit``, ``evaluate`` and ``predict`` overrule
        it; it holds where the model is called without one, exported, or called by code of the user's.
    is_set_trainable
        Its own ``trainable``, whatever its containers say, which decides on the mode of a batch normalization; None:
        as `is_trainable`.
    has_learned
        Whether its bias, or the statistics of a batch normalization, are no longer what every layer begins with; None
        where it has none that begins so, or its numbers are not known.
    container
        Name of the model or block that holds it; empty for the model itself. Containers of containers apart by ``/``.
    receptive_field
        Of one unit of its output, in steps of the input of the model, one number for each spatial axis; None where it
        has none (no spatial axes), or it is not known.
    flops
        Floating-point operations for one sample, a multiplication and an addition being two; None: not known.
    activation_bytes
        Memory of its output for one sample; None where a size is not fixed.
    line
        Where it is made, in the user's source file; None where that is not known.
    """

    name: str
    kind: str
    inputs: tuple[str, ...] = ()
    input_shapes: tuple[Shape, ...] = ()
    output_shapes: tuple[Shape, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    activation: Activation | None = None
    initializer: Initializer | None = None
    bias_initializer: Initializer | None = None
    parameters: int = 0
    trainable_parameters: int = 0
    is_trainable: bool = True
    is_custom: bool = False
    calls: int = 1
    training: bool | None = None
    default_training: bool | None = None
    is_set_trainable: bool | None = None
    has_learned: bool | None = None
    container: str = ""
    receptive_field: tuple[int, ...] | None = None
    flops: int | None = None
    activation_bytes: int | None = None
    line: int | None = None

    @property
    def output_shape(self) -> Shape | None:
        """The shape of its only output; None where it has several, or none is known."""
        return self.output_shapes[0] if len(self.output_shapes) == 1 else None

    @property
    def input_shape(self) -> Shape | None:
        """The shape of its only input; None where it has several, or none is known."""
        return self.input_shapes[0] if len(self.input_shapes) == 1 else None


@dataclass(frozen=True)
class Loss:
    """What an output is trained to.

    Parameters
    ----------
    name
        Keras' full name, ``sparse_categorical_crossentropy``; of the user's own the function's.
    is_custom
        Whether Keras does not have it.
    from_logits
        Whether it applies the sigmoid or the softmax itself.
    settings
        The rest: ``label_smoothing``, ``delta`` ...
    spread_labels
        Shape of the labels of a batch, where the loss compares each of them with every prediction of the batch: those
        of (n,) and predictions of (n, 1) make a table of n times n. None where it does not, or there are no labels.
    """

    name: str
    is_custom: bool = False
    from_logits: bool = False
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    spread_labels: Shape | None = None


@dataclass(frozen=True)
class Output:
    """One output of the model.

    Parameters
    ----------
    name
        As Keras calls the output.
    layer
        Name of the layer that gives it.
    shape
        With the batch axis.
    activation
        The last function applied to it, be it in the layer or in one after it (``Activation``, ``Softmax``; a Reshape
        or a cast between does not hide it); None where that is not known (a layer of the user's own).
    loss
        None where it is not trained, or the model is not compiled.
    metrics
        Names, in full.
    thresholds
        Metric -> the least and the largest number above which it takes a value of the output for a yes; without those
        that have none.
    """

    name: str
    layer: str
    shape: Shape
    activation: Activation | None = None
    loss: Loss | None = None
    metrics: tuple[str, ...] = ()
    thresholds: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def units(self) -> int | None:
        """The size of its last axis."""
        return self.shape[-1] if len(self.shape) > 1 else None


@dataclass(frozen=True)
class Optimizer:
    """How the model is trained.

    Parameters
    ----------
    name
        Keras' class in small letters: ``adam``, ``sgd``.
    learning_rate
        At the start.
    settings
        The rest: ``momentum``, ``weight_decay``, ``clipnorm`` ...; None values are left out.
    """

    name: str
    learning_rate: float | None = None
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def clips(self) -> bool:
        """Whether gradients are clipped."""
        return any(self.settings.get(name) for name in ("clipnorm", "clipvalue", "global_clipnorm"))


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """A model before its training.

    Parameters
    ----------
    name, kind
        Its name and its Keras class: ``Sequential``, ``Functional``, or the user's own.
    layers
        In the order of the graph, inputs first; containers are walked into.
    outputs
        In Keras' order.
    optimizer
        None where the model is not compiled.
    regularization
        The sum of all penalties of the freshly made model; None where it is not known.
    batch_size
        That it is going to be trained with; None where nobody has said.
    is_whole
        Whether all of the graph could be seen; False for a subclassed model of which only the layers are known.
    notes
        What could not be seen, a sentence each.
    """

    name: str
    kind: str
    layers: tuple[Layer, ...] = ()
    outputs: tuple[Output, ...] = ()
    optimizer: Optimizer | None = None
    regularization: float | None = None
    batch_size: int | None = None
    is_whole: bool = True
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """Numbers in all its variables."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable_parameters(self) -> int:
        """Numbers that the training changes."""
        return sum(layer.trainable_parameters for layer in self.layers)

    @property
    def is_compiled(self) -> bool:
        """Whether it has a loss or an optimizer."""
        return self.optimizer is not None or any(output.loss for output in self.outputs)

    @cached_property
    def by_name(self) -> Mapping[str, Layer]:
        """Name -> layer."""
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def _followers(self) -> Mapping[str, tuple[Layer, ...]]:
        followers: dict[str, list[Layer]] = {layer.name: [] for layer in self.layers}
        for layer in self.layers:
            for name in dict.fromkeys(layer.inputs):
                if name in followers:
                    followers[name].append(layer)
        return {name: tuple(found) for name, found in followers.items()}

    def before(self, layer: Layer) -> tuple[Layer, ...]:
        """Return the layers whose outputs a layer takes."""
        return tuple(self.by_name[name] for name in dict.fromkeys(layer.inputs) if name in self.by_name)

    def after(self, layer: Layer) -> tuple[Layer, ...]:
        """Return the layers that take a layer's output."""
        return self._followers.get(layer.name, ())

    def upstream(self, layer: Layer) -> Iterator[Layer]:
        """Yield every layer that a layer's output depends on, the nearest first, each once."""
        seen, front = {layer.name}, list(self.before(layer))
        while front:
            found = front.pop(0)
            if found.name not in seen:
                seen.add(found.name)
                yield found
                front.extend(self.before(found))

    def is_output(self, layer: Layer) -> bool:
        """Whether the model gives what this layer gives."""
        return any(output.layer == layer.name for output in self.outputs)


@dataclass(frozen=True, kw_only=True)
class LayerScale:
    """How large a layer's values are on one batch, before any training.

    Parameters
    ----------
    layer
        Its name in the blueprint.
    output_mean, output_std
        Over all numbers of its output.
    zero_fraction
        Share of its units that are zero for every sample.
    grad_norm, weight_norm
        L2 norms over its trainable variables; None where it has none. Where it has some and no way leads from them to
        the loss, `grad_norm` alone is None. One that is zero has stayed zero over some steps.
    """

    layer: str
    output_mean: float | None = None
    output_std: float | None = None
    zero_fraction: float | None = None
    grad_norm: float | None = None
    weight_norm: float | None = None


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What one batch, forward and backward, tells before the training.

    Parameters
    ----------
    samples
        Of the batch; 0 where none could be tried.
    is_made_up
        Whether the batch, or its labels, were drawn at random, for want of data.
    initial_loss
        Without penalties; may be NaN or infinite.
    expected_loss
        Of a model that knows nothing: ln K for K classes, and for a distance (MSE ...) that of an output of zero; None
        where there is no such number.
    bias_loss
        Of a cross-entropy whose output hangs on the bias of the last layer alone, on labels that were not made up; None
        where that is zero, as Keras begins it.
    spread
        Standard error of `initial_loss` over the samples of the batch; None: not known.
    losses
        Over the steps of a training on this one batch, `initial_loss` first; empty where it was not tried.
    floor
        The least loss that this batch allows (label smoothing, soft labels); 0 where it can be learned by heart.
    scales
        Layer by layer.
    failed
        The reason in one line, where the model or its loss cannot be computed at all, or nothing could be tried
        (`samples` is 0); the rest is empty then.
    """

    samples: int = 0
    is_made_up: bool = False
    initial_loss: float | None = None
    expected_loss: float | None = None
    bias_loss: float | None = None
    spread: float | None = None
    losses: tuple[float, ...] = ()
    floor: float = 0.0
    scales: tuple[LayerScale, ...] = ()
    failed: str = ""
