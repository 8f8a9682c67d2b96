"""Pretrained backbones: those of Keras Applications by a table, those of KerasHub by their preset.

A backbone takes images of 0 to 255 that were put into its own form (`prepared`) and gives features. It falls into
blocks (`blocks`), its own ones as its authors drew them: how deep it is frozen counts these, not layers.

In transfer a backbone stays in inference mode (`as_features`). ``backbone(x, training=False)`` does not do it: Keras
3.15 overrides that argument with the ``training=True`` of `fit`, nested or not, and the statistics of ImageNet are
lost. Batch normalization that is not trainable is in inference mode always.

All but the backbones of KerasHub is made of Keras' own layers: a saved model loads without this package.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import math
import re
import socket
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from recipes.errors import RecipeError, one_line
from recipes.task import Inputs

#: In front of the name of a KerasHub preset.
HUB = "hub:"
#: Seconds without an answer after which a download is given up.
_PATIENCE = 30.0

Block = tuple[keras.layers.Layer, ...]


@dataclass(frozen=True)
class Scaling:
    """The form that a backbone takes images in: ``scale * image + offset``, of images from 0 to 255.

    Parameters
    ----------
    scale, offset
        For all channels, or for each.
    bgr
        Whether the channels are turned round first, red last.
    """

    scale: float | tuple[float, ...] = 1.0
    offset: float | tuple[float, ...] = 0.0
    bgr: bool = False


_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in shares of 255
#: The modes of `keras.applications.imagenet_utils.preprocess_input`, and the models that do it themselves.
SCALINGS = {
    "caffe": Scaling(1.0, (-103.939, -116.779, -123.68), bgr=True),
    "tf": Scaling(1 / 127.5, -1.0),
    "torch": Scaling(
        tuple(1 / (255 * deviation) for deviation in _DEVIATION),
        tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),
    ),
    "included": Scaling(),
}


@dataclass(frozen=True)
class Family:
    """What the members of a family of backbones share.

    Parameters
    ----------
    scaling
        A key of `SCALINGS`.
    block
        Matches the start of a layer's name; its last group, or all of it, names the block that the layer is in. What
        does not match belongs to the newest block. Empty: the blocks are told by the graph.
    minimum
        Smallest side of an image, pixels.
    """

    scaling: Literal["caffe", "tf", "torch", "included"]
    block: str = ""
    minimum: int = 32


@dataclass(frozen=True)
class Preset:
    """A backbone of Keras Applications.

    Parameters
    ----------
    constructor
        Its name in `keras.applications`.
    family
        See there.
    options
        Arguments of the constructor.
    """

    constructor: str
    family: Family
    options: Mapping[str, Any] = field(default_factory=dict)


_CONVNEXT = Family("included", r".*?_(stage_\d+_block_\d+|downsampling_block_\d+)")
_DENSENET = Family("torch", r"conv\d+_block\d+_|pool\d+_")
_EFFICIENTNET = Family("included", r"block\d+[a-z]_|top_")
_INCEPTION = Family("tf", minimum=75)
_MOBILENET = Family("tf", r"conv_(?:dw|pw|pad)_(\d+)")
_MOBILENET_V2 = Family("tf", r"expanded_conv_|block_\d+_|Conv_1")
_MOBILENET_V3 = Family("included", r"expanded_conv_(?:\d+_)?|conv_1")
_NASNET = Family("tf", r"(?:adjust|normal|reduction|separable)_.*?_(stem_\d|reduce_\d+|\d+)$")
_RESNET = Family("caffe", r"conv\d+_block\d+_")
_RESNET_V2 = Family("tf", r"conv\d+_block\d+_")
_VGG = Family("caffe", r"block\d+_")
_XCEPTION = Family("tf", r"block\d+_", minimum=71)

#: Name -> backbone, every member of every family of Keras Applications. A number behind MobileNet is its width, in %.
PRESETS: Mapping[str, Preset] = {
    **{f"convnext_{size}": Preset(f"ConvNeXt{size.title()}", _CONVNEXT) for size in ("tiny", "small", "base", "large")},
    "convnext_xlarge": Preset("ConvNeXtXLarge", _CONVNEXT),
    **{f"densenet{depth}": Preset(f"DenseNet{depth}", _DENSENET) for depth in (121, 169, 201)},
    **{f"efficientnet_b{i}": Preset(f"EfficientNetB{i}", _EFFICIENTNET) for i in range(8)},
    **{
        f"efficientnet_v2_{size.lower()}": Preset(f"EfficientNetV2{size}", _EFFICIENTNET)
        for size in ("B0", "B1", "B2", "B3", "S", "M", "L")
    },
    "inception_resnet_v2": Preset("InceptionResNetV2", _INCEPTION),
    "inception_v3": Preset("InceptionV3", _INCEPTION),
    "mobilenet": Preset("MobileNet", _MOBILENET),
    **{f"mobilenet_{width:03}": Preset("MobileNet", _MOBILENET, {"alpha": width / 100}) for width in (25, 50, 75)},
    "mobilenet_v2": Preset("MobileNetV2", _MOBILENET_V2),
    **{
        f"mobilenet_v2_{width:03}": Preset("MobileNetV2", _MOBILENET_V2, {"alpha": width / 100})
        for width in (35, 50, 75, 130, 140)
    },
    "mobilenet_v3_small": Preset("MobileNetV3Small", _MOBILENET_V3),
    "mobilenet_v3_large": Preset("MobileNetV3Large", _MOBILENET_V3),
    "nasnet_mobile": Preset("NASNetMobile", _NASNET),
    "nasnet_large": Preset("NASNetLarge", _NASNET),
    **{f"resnet{depth}": Preset(f"ResNet{depth}", _RESNET) for depth in (50, 101, 152)},
    **{f"resnet{depth}_v2": Preset(f"ResNet{depth}V2", _RESNET_V2) for depth in (50, 101, 152)},
    "vgg16": Preset("VGG16", _VGG),
    "vgg19": Preset("VGG19", _VGG),
    "xception": Preset("Xception", _XCEPTION),
}


@dataclass(frozen=True)
class Backbone:
    """A backbone that is built.

    Parameters
    ----------
    model
        From images, (batch, height, width, 3), to features; most give (batch, height', width', channels).
    scaling
        The form that it takes images in.
    """

    model: keras.Model
    scaling: Scaling


@dataclass(frozen=True)
class Frozen:
    """How many blocks of a backbone are frozen, counted from the input."""

    blocks: int
    of: int

    def __str__(self) -> str:
        return f"{self.blocks} of {self.of} blocks frozen"


def load(name: str, size: tuple[int, int], weights: str) -> Backbone:
    """Build a backbone without its classifier, with its weights.

    Parameters
    ----------
    name
        A key of `PRESETS`, or ``hub:`` and what `keras_hub.models.Backbone.from_preset` takes.
    size
        Height and width of the images, see `size_of`.
    weights
        ``imagenet``: those that it was published with, downloaded once. ``none``: random. Else a file: weights
        (``.weights.h5``, or ``.h5`` of Keras Applications), or a model (``.keras``) that is such a backbone or has one
        inside.

    Raises
    ------
    RecipeError
        There is no such backbone, its weights cannot be had, or they do not fit.
    """
    file = None if weights in ("imagenet", "none") else _existing(Path(weights))
    published = weights == "imagenet"
    backbone = _from_hub(name, published) if name.startswith(HUB) else _from_applications(name, size, published)
    if file:
        _load_file(backbone.model, file, name)
    return backbone


def size_of(name: str, shape: Sequence[int], image_size: int) -> tuple[int, int]:
    """Return height and width, in pixels, that a backbone is given images in.

    Images smaller than it can take are enlarged, with the same ratio of their sides.

    Parameters
    ----------
    name
        Of the backbone.
    shape
        Of an image: height, width, channels.
    image_size
        Side that is asked for; 0: as the images are.

    Raises
    ------
    RecipeError
        There is no such backbone.
    """
    minimum = Family.minimum if name.startswith(HUB) else _preset(name).family.minimum
    height, width = (image_size, image_size) if image_size else shape[:2]
    scale = max(1.0, minimum / min(height, width))
    return math.ceil(height * scale), math.ceil(width * scale)


def prepared(x: keras.KerasTensor, inputs: Inputs, backbone: Backbone, size: tuple[int, int]) -> keras.KerasTensor:
    """Return images in the form that a backbone takes, (batch, height, width, 3), by Keras' own layers.

    Parameters
    ----------
    x
        Images, (batch, height, width, 1 or 3), of values from `Inputs.low` to `Inputs.high`.
    inputs
        What is known of them.
    backbone
        What they are for.
    size
        Height and width that are wished for; a backbone that takes one size only has its way.
    """
    height, width = (fixed or wished for fixed, wished in zip(backbone.model.input_shape[1:3], size, strict=True))
    if tuple(x.shape[1:3]) != (height, width):
        # Not `keras.layers.Resizing`: its call has training=True as default, which Keras 3.15 hands on to all layers
        # behind it. `model(x)` then drops units and changes the statistics of batch normalization.
        x = keras.ops.image.resize(x, (height, width))
    if (inputs.low, inputs.high) != (0, 255):
        scale = 255 / (inputs.high - inputs.low)
        x = keras.layers.Rescaling(scale, offset=-scale * inputs.low, name="to_255")(x)
    if x.shape[-1] == 1:
        x = keras.layers.Concatenate(name="grey_to_rgb")([x, x, x])
    scaling = backbone.scaling
    if scaling.bgr:
        x = keras.ops.flip(x, axis=-1)
    if scaling != Scaling():
        x = keras.layers.Rescaling(_plain(scaling.scale), offset=_plain(scaling.offset), name="preprocess")(x)
    return x


def as_features(backbone: keras.Model) -> None:
    """Take the dropout out of a backbone that is to be in inference mode; `freeze` sees to batch normalization."""
    for layer in backbone._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0


def freeze(backbone: keras.Model, share: float, name: str = "") -> Frozen:
    """Make the last blocks of a backbone trainable, but for batch normalization, which stays in inference mode.

    Parameters
    ----------
    backbone
        The backbone.
    share
        Of its blocks that are frozen, the first ones from the input: 0 none, 1 all. Rounded to whole blocks, but below
        1 the last block is trained.
    name
        Of the backbone, see `blocks`.

    Returns
    -------
    Frozen
        What came of it. A model that is compiled already must be compiled again.
    """
    parts = blocks(backbone, name)
    count = min(round(share * len(parts)), len(parts) - 1) if share < 1 else len(parts)
    first = [layer for block in parts[:count] for layer in block]
    still = {id(part) for layer in first for part in layer._flatten_layers()}
    # One by one: `backbone.trainable = True` does nothing where it is so already, though layers in it are frozen.
    for layer in backbone._flatten_layers():
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = id(layer) not in still and not is_norm
    return frozen(backbone, name)


def frozen(backbone: keras.Model, name: str = "") -> Frozen:
    """Return how many blocks of a backbone are frozen: those in front of the first weight that is trained."""
    parts = blocks(backbone, name)
    is_frozen = [not any(layer.trainable_weights for layer in block) for block in parts]
    return Frozen(is_frozen.index(False) if False in is_frozen else len(parts), len(parts))


def blocks(backbone: keras.Model, name: str = "") -> tuple[Block, ...]:
    """Return the blocks of a backbone from input to output: stem, blocks, head, each with all of its layers.

    Parameters
    ----------
    backbone
        The backbone.
    name
        The name that it was loaded by. Of a name that is not in `PRESETS` the blocks are told by the graph: they end
        where one tensor alone goes on, and each has at least one kernel.
    """
    pattern = PRESETS[name].family.block if name in PRESETS else ""
    if pattern:
        return _blocks_by_name(backbone, re.compile(pattern))
    if getattr(backbone, "_nodes_by_depth", None):
        return _blocks_by_graph(backbone)
    return tuple((layer,) for layer in backbone.layers if layer.weights)  # no graph is known


def _blocks_by_name(backbone: keras.Model, pattern: re.Pattern[str]) -> tuple[Block, ...]:
    found: dict[str, list[keras.layers.Layer]] = {}
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        match = pattern.match(layer.name)
        newest = next(reversed(found), "stem")
        key = match.group(match.lastindex or 0) if match else newest
        found.setdefault(key, []).append(layer)
    return tuple(tuple(block) for block in found.values())


def _blocks_by_graph(backbone: keras.Model) -> tuple[Block, ...]:
    found: list[list[keras.layers.Layer]] = []
    for segment in _segments(backbone):
        if not found or (_has_kernel(segment) and _has_kernel(found[-1])):
            found.append([])
        found[-1] += segment
    return tuple(tuple(block) for block in found)


def _segments(backbone: keras.Model) -> Iterator[list[keras.layers.Layer]]:
    """Yield the layers between the places of a graph that a single tensor passes."""
    by_depth = backbone._nodes_by_depth
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    last_use = {}
    for i, node in enumerate(nodes):
        for tensor in node.input_tensors:
            last_use[id(tensor)] = i
    alive: set[int] = set()
    segment: dict[int, keras.layers.Layer] = {}  # by id: a layer may be called twice
    for i, node in enumerate(nodes):
        alive |= {id(tensor) for tensor in node.outputs}
        alive = {tensor for tensor in alive if last_use.get(tensor, len(nodes)) > i}
        if isinstance(node.operation, keras.layers.Layer) and not node.is_input:
            segment[id(node.operation)] = node.operation
        if len(alive) <= 1:
            yield list(segment.values())
            segment = {}


def _has_kernel(segment: Sequence[keras.layers.Layer]) -> bool:
    """Whether there are weights other than those of a normalization or a scale."""
    return any(len(weight.shape) > 1 for layer in segment for weight in layer.weights)


def _preset(name: str) -> Preset:
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(PRESETS)}, and {HUB}PRESET of KerasHub"
        raise RecipeError(f"transfer.backbone: there is no backbone {name!r}; {hint}")
    return PRESETS[name]


def _from_applications(name: str, size: tuple[int, int], published: bool) -> Backbone:
    preset = _preset(name)
    constructor = functools.partial(
        getattr(keras.applications, preset.constructor),
        include_top=False,
        input_shape=(*size, 3),
        **preset.options,
    )
    scaling = SCALINGS[preset.family.scaling]
    if not published:
        return Backbone(constructor(weights=None), scaling)
    with _downloading(name), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # weights of MobileNet for one size serve for others
        return Backbone(constructor(weights="imagenet"), scaling)


def _from_hub(name: str, published: bool) -> Backbone:
    try:
        import keras_hub
    except ImportError:
        raise RecipeError(f"transfer.backbone: {name} needs KerasHub: pip install 'kerasdx[hub]'") from None
    preset = name.removeprefix(HUB)
    with _downloading(name):
        model = keras_hub.models.Backbone.from_preset(preset, load_weights=published)
    shape = tuple(getattr(model.input, "shape", ()))  # of several inputs there is a dictionary
    if len(shape) != 4 or shape[3] != 3 or not hasattr(model.output, "shape"):
        raise RecipeError(f"transfer.backbone: {name} is no backbone for images")
    return Backbone(model, _hub_scaling(keras_hub, preset, name))


def _hub_scaling(keras_hub: Any, preset: str, name: str) -> Scaling:
    """Return the scaling of the preset's own image converter; where it has none, to 0 to 1."""
    converter = None
    with _downloading(name), contextlib.suppress(FileNotFoundError):
        converter = keras_hub.layers.ImageConverter.from_preset(preset)
    if converter is None:
        return Scaling(1 / 255)
    return Scaling(_as_values(converter.scale, 1.0), _as_values(converter.offset, 0.0))


def _as_values(value: Sequence[float] | float | None, default: float) -> float | tuple[float, ...]:
    if value is None:
        return default
    return tuple(value) if isinstance(value, Sequence) else float(value)


@contextlib.contextmanager
def _downloading(name: str) -> Iterator[None]:
    """Make one line of whatever goes wrong with a download; give it up where nobody answers."""
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    except Exception as error:  # Keras raises bare ones, KerasHub those of three download services
        raise RecipeError(
            f"the backbone {name} cannot be had: {one_line(error)}; "
            "pass transfer.weights=FILE with its weights, or transfer.weights=none"
        ) from None
    finally:
        socket.setdefaulttimeout(patience)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise RecipeError(f"transfer.weights: there is no file {path}; it takes imagenet, none, or a weights file")
    if path.suffix not in (".keras", ".h5"):
        raise RecipeError(
            f"transfer.weights: {path} is no weights file; its name must end in .keras, .weights.h5 or .h5"
        )
    return path


def _load_file(model: keras.Model, path: Path, name: str) -> None:
    if path.suffix == ".keras":
        _copy_weights(model, path, name)
    else:
        _read_weights(model, path, name)
    _settle(model)


def _read_weights(model: keras.Model, path: Path, name: str) -> None:
    """Read a file of weights, and see that it had all of them: where Keras finds a part of them it only warns."""
    weights = [weight for weight in model.weights if keras.backend.is_float_dtype(weight.dtype)]
    for weight in weights:
        weight.assign(np.full(weight.shape, np.nan))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.load_weights(path)
    except Exception as error:  # of h5py and Keras, of many kinds
        raise RecipeError(f"{path}: not the weights of {name}: {one_line(error)}") from None
    missing = next((weight.path for weight in weights if np.any(np.isnan(weight.numpy()))), None)
    if missing:
        raise RecipeError(f"{path}: not the weights of {name}: it has no {missing}, or one with NaN")


def _copy_weights(model: keras.Model, path: Path, name: str) -> None:
    """Take the weights from a saved model that is such a backbone, or has one inside."""
    try:
        saved = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever is wrong with a file that somebody sent
        raise RecipeError(f"{path}: cannot be opened: {one_line(error)}") from None
    whole, *inside = (part for part in saved._flatten_layers() if isinstance(part, keras.Model))
    for candidate in (whole, *inside):
        if not _mismatch(candidate, model):
            model.set_weights(candidate.get_weights())
            return
    nearest = max(inside, key=lambda part: len(part.weights), default=whole)
    raise RecipeError(f"{path}: not the weights of {name}: {_mismatch(nearest, model)}")


def _mismatch(saved: keras.Model, model: keras.Model) -> str:
    """Return where the weights of two models differ in shape first; empty where they do not."""
    for theirs, ours in zip(saved.weights, model.weights, strict=False):
        if theirs.shape != ours.shape:
            return f"{theirs.path} has shape {tuple(theirs.shape)}, {ours.path} needs {tuple(ours.shape)}"
    if len(saved.weights) != len(model.weights):
        return f"it has {len(saved.weights)} weights, and {len(model.weights)} are needed"
    return ""


def _settle(model: keras.Model) -> None:
    """Let layers that normalize by their weights know that these have changed.

    The published weights of EfficientNet have the deviation where Keras expects the variance. Keras makes up for it by
    another layer, but only where it downloads them itself (https://github.com/tensorflow/tensorflow/issues/49930).
    """
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            variance = np.asarray(layer.adapt_variance)
            if variance.shape == (3,) and np.allclose(variance, _DEVIATION, atol=1e-3):
                layer.adapt_variance.assign(variance**2)
            layer.finalize_state()


def _plain(value: float | tuple[float, ...]) -> float | list[float]:
    """Return what a layer can save."""
    return list(value) if isinstance(value, tuple) else value
