"""The configuration of a training: one tree of settings, whose paths are change paths and hyperparameters alike.

``optimizer.learning_rate`` is the same name in a YAML file, in ``--set``, in a fix (`diagnose.fix.PATHS`) and in a
search space. A setting that a recipe leaves to the data or to other settings is ``"auto"``.
"""

from __future__ import annotations

import difflib
import json
import re
import reprlib
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from recipes.errors import ConfigError

Scalar = bool | int | float | str | None
#: Path -> value, as in ``{"optimizer.learning_rate": 0.01}``.
Settings = Mapping[str, Any]

#: Strengths of augmentation that have names. Between them any number from 0 to 1 will do.
STRENGTHS = {"none": 0.0, "light": 1 / 3, "medium": 2 / 3, "strong": 1.0}
#: What YAML and JSON raise at what they cannot read: dates that do not exist and numbers without end among it.
_UNREADABLE = (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError)
#: A configuration file is written by hand, or by us.
_MAX_FILE_BYTES = 1_000_000


def _strength(value: Any) -> Any:
    """Take names of strengths, and truth values, for numbers."""
    if isinstance(value, bool):
        return STRENGTHS["medium"] if value else 0.0
    if isinstance(value, str) and value.lower() in STRENGTHS:
        return STRENGTHS[value.lower()]
    return value


def _names(value: Any) -> Any:
    """Take ``a,b`` for two names."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]

Activation = Literal[
    "auto", "relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "swish", "mish", "maxout", "tanh", "sigmoid",
    "softplus", "hard_sigmoid", "linear",
]  # fmt: skip
Initializer = Literal[
    "auto", "he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal", "lecun_uniform", "orthogonal",
    "random_normal", "random_uniform", "truncated_normal", "zeros", "ones",
]  # fmt: skip
Optimizer = Literal[
    "sgd", "nesterov", "adam", "adamw", "nadam", "adamax", "rmsprop", "adagrad", "adadelta", "lion", "ftrl"
]
Schedule = Literal[
    "constant", "cosine", "warmup-cosine", "cyclic", "exponential", "inverse-time", "polynomial", "plateau"
]
Loss = Literal[
    "auto", "binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy",
    "categorical_focal_crossentropy", "sparse_categorical_crossentropy", "mse", "mae", "huber", "log_cosh",
]  # fmt: skip
Family = Literal["geometric", "colour", "noise", "occlusion"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class DataConfig(_Section):
    """What is trained on, how it is split and how it is fed."""

    source: str = Field("", description="built-in name, CSV, image folder, .npz, or module:function")
    target: Names = Field((), description="column or columns of a CSV to predict")
    group: str = Field("", description="column (.npz: array) whose groups stay together in one split")
    ignore: Names = Field((), description="columns of a CSV that are left out")
    task: Literal["auto", "binary", "multiclass", "multilabel", "regression"] = Field(
        "auto", description="what to predict, where the target does not tell"
    )
    image_size: int = Field(0, ge=0, le=2048, description="side of the images in pixels; 0: as the recipe likes")
    validation: float = Field(0.2, ge=0, lt=1, description="share of the samples for validation; 0: all are trained on")
    folds: int = Field(1, ge=1, le=100, description="above 1: validation is one of so many folds of a cross-validation")
    fold: int = Field(0, ge=0, lt=100, description="number of the fold, from 0")
    test: float = Field(0.2, gt=0, lt=1, description="share of the samples held out for the test")
    split_seed: int = Field(0, ge=0, description="draws the splits; another seed of the training leaves them alone")
    batch_size: int = Field(32, ge=1, le=65536)
    shuffle: bool = True
    standardize: bool = Field(True, description="inputs to mean 0 and deviation 1, by the training samples")
    class_weight: bool = Field(False, description="weigh classes by 1 / frequency")
    augmentation: Annotated[float, BeforeValidator(_strength)] = Field(
        0.0, ge=0, le=1, description="strength from 0 to 1, or none, light, medium, strong"
    )
    augmentation_families: Annotated[tuple[Family, ...], BeforeValidator(_names)] = Field(
        ("geometric", "colour", "noise", "occlusion"), description="which kinds of augmentation"
    )
    flips: bool = Field(True, description="whether geometric augmentation may mirror images; digits must not be")
    mixing: Literal["none", "mixup", "cutmix"] = Field("none", description="images mixed with their labels")
    cache: Literal["auto", "memory", "none"] = Field("auto", description="where decoded samples are kept")


class ModelConfig(_Section):
    """The network."""

    width: int = Field(64, ge=1, le=4096, description="units, or filters of the first stage")
    depth: int = Field(2, ge=1, le=64, description="hidden layers, or stages of a convolutional network")
    activation: Activation = "relu"
    kernel_initializer: Initializer = Field("auto", description="auto: He for ReLU and kin, Glorot for the others")
    batch_norm: bool = False
    skip_connections: bool = False
    downsampling: Literal["max", "average", "stride"] = Field("max", description="how space shrinks between stages")
    output_activation: Literal["auto", "linear", "sigmoid", "softmax"] = "auto"
    loss: Loss = "auto"


class RegularizationConfig(_Section):
    """What keeps a network from learning samples by heart."""

    dropout: float = Field(0.0, ge=0, lt=1)
    dropconnect: float = Field(0.0, ge=0, lt=1, description="share of the weights of dense layers dropped in a step")
    l1: float = Field(0.0, ge=0, le=1)
    l2: float = Field(0.0, ge=0, le=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)


class OptimizerConfig(_Section):
    """How weights are changed."""

    name: Optimizer = "adam"
    learning_rate: float = Field(1e-3, gt=0, le=100)
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd, nesterov and rmsprop; beta_1 of Adam and its kin")
    weight_decay: float = Field(0.0, ge=0, le=1)
    clipnorm: float = Field(0.0, ge=0, description="longest gradient of a variable; 0: not clipped")
    schedule: Schedule = "constant"


class TrainingConfig(_Section):
    """How long, from which seed, and on what."""

    epochs: int = Field(50, ge=1, le=100_000)
    early_stopping: int = Field(10, ge=0, description="epochs without improvement before the end; 0: never")
    monitor: str = Field("val_loss", description="what tells the best epoch: COLUMN, min:COLUMN or max:COLUMN")
    stop_after: int = Field(0, ge=0, description="ends after so many epochs, with schedules as for all; 0: does not")
    seed: int = Field(0, ge=0, lt=2**32)
    accelerator: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    devices: int = Field(0, ge=0, le=1024, description="how many; 0: all there are (of CPUs: one)")
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16", "float64"] = "float32"


class TransferConfig(_Section):
    """A pretrained backbone and how much of it is trained."""

    backbone: str = Field("mobilenet_v2", description="a name of `tune recipes transfer`, or hub:PRESET")
    weights: str = Field("imagenet", description="imagenet, none, or a weights file")
    freeze_depth: float = Field(0.75, ge=0, le=1, description="share of the backbone's blocks that stay frozen")
    fine_tune_rate: float = Field(1e-4, ge=0, le=1, description="rate of the second phase")
    head_epochs: int = Field(10, ge=0, description="epochs of the head alone, on the frozen backbone")
    head_units: int = Field(0, ge=0, le=4096, description="units of the head's hidden layer; 0: none")


class DetectorConfig(_Section):
    """A grid head S x S x (B * 5 + C)."""

    grid: int = Field(8, ge=1, le=64, description="S: cells along each side")
    boxes: int = Field(2, ge=1, le=16, description="B: boxes, with an anchor each, in a cell")
    score_threshold: float = Field(0.3, ge=0, le=1, description="boxes below are not shown")
    iou_threshold: float = Field(0.45, gt=0, le=1, description="overlap above which the weaker of two boxes goes")


class Config(_Section):
    """Everything that a training is made of.

    Examples
    --------
    >>> config = Config.of("mlp", {"data.source": "iris", "optimizer.learning_rate": 0.01})
    >>> config.optimizer.learning_rate
    0.01
    """

    recipe: str = Field("", description="NAME, NAME/PRESET or module:function")
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    regularization: RegularizationConfig = RegularizationConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    transfer: TransferConfig = TransferConfig()
    detector: DetectorConfig = DetectorConfig()
    hyperparameters: dict[str, Scalar] = Field(default_factory=dict, description="what your own build(hp) asks for")

    @classmethod
    def of(cls, recipe: str, *layers: Settings) -> Self:
        """Return a recipe's configuration: its preset, and above it settings, the later ones on top.

        Parameters
        ----------
        recipe
            ``cnn``, ``cnn/residual`` (a preset of it), or ``module:function``.
        layers
            Path -> value.

        Raises
        ------
        ConfigError
            A setting that does not exist, a value that it cannot have, or a setting that the recipe does not use.
        RecipeError
            There is no such recipe.
        """
        from recipes.catalog import find, preset_of

        config = cls._validated({"recipe": recipe}).replace(preset_of(recipe))
        for layer in layers:
            config = config.replace(layer)
        find(recipe).check_settings(dict.fromkeys(path for layer in layers for path in layer))
        return config

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], where: str = "the configuration") -> Self:
        """Return the configuration that nested settings describe, on top of the recipe's preset.

        Raises
        ------
        ConfigError, RecipeError
            As `of`.
        """
        recipe = content.get("recipe")
        if not isinstance(recipe, str) or not recipe:
            raise ConfigError(f"{where}: names no recipe; add a line like: recipe: mlp")
        flat = flattened({name: value for name, value in content.items() if name != "recipe"}, where)
        return cls.of(recipe, flat)

    def replace(self, settings: Settings) -> Self:
        """Return the configuration with some settings changed.

        Raises
        ------
        ConfigError
            A path that does not exist, or a value that it cannot have.
        """
        if not settings:
            return self
        content = self.model_dump()
        for path, value in settings.items():
            section, _, name = path.partition(".")
            if section == "hyperparameters" and name:
                content[section] = {**content[section], name: value}
            elif path not in paths():
                raise ConfigError(unknown_path(path))
            else:
                content[section][name] = value
        return self._validated(content)

    def without_hyperparameter(self, name: str) -> Self:
        """Return the configuration without one of the user's own hyperparameters."""
        return self.model_copy(
            update={"hyperparameters": {key: value for key, value in self.hyperparameters.items() if key != name}}
        )

    @property
    def recipe_name(self) -> str:
        """The recipe for people: ``cnn/residual``; of the user's own file without its folder, ``mine.py:build``."""
        return Path(self.recipe).name if ":" in self.recipe else self.recipe

    def anchored(self) -> Self:
        """Return the configuration with files named from the root: it means the same in any folder.

        What is no file, such as a built-in name, stays as it is.
        """
        from recipes.data import BUILTIN

        files = {path: self.get(path) for path in ("data.source", "transfer.weights")}
        names = ("imagenet", "none", *BUILTIN)  # whatever files there are of these names
        changed = {path: _from_root(value) for path, value in files.items() if value not in names}
        recipe = _from_root(self.recipe) if ".py:" in self.recipe else self.recipe
        return self.replace(changed).model_copy(update={"recipe": recipe})

    def get(self, path: str) -> Any:
        """Return the value of a setting by its path."""
        section, _, name = path.partition(".")
        if section == "hyperparameters":
            return self.hyperparameters[name]
        if path not in paths():
            raise ConfigError(unknown_path(path))
        return getattr(getattr(self, section), name)

    def flat(self) -> dict[str, Any]:
        """Return path -> value of every setting that the recipe heeds, and ``recipe``."""
        return {"recipe": self.recipe, **flattened(self.to_dict(), "the configuration", skip=("recipe",))}

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that the recipe heeds, nested, ready for JSON; `from_dict` makes the same of it."""
        from recipes.catalog import find

        heeds = find(self.recipe).heeds if ":" not in self.recipe else lambda _path: True
        heeded: dict[str, Any] = {"recipe": self.recipe}
        for section, values in self.model_dump(mode="json").items():
            if isinstance(values, dict):
                kept = {name: value for name, value in values.items() if heeds(f"{section}.{name}")}
                heeded |= {section: kept} if kept else {}
        return heeded

    def to_yaml(self) -> str:
        """Return the settings that the recipe heeds, as YAML that `read` takes."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)

    @classmethod
    def _validated(cls, content: Mapping[str, Any]) -> Self:
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ConfigError(first_error(error)) from None


@cache
def paths() -> Mapping[str, Any]:
    """Return path -> pydantic's description of the setting, for every setting but the user's own hyperparameters."""
    found: dict[str, Any] = {}
    for section, field in Config.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, _Section):
            found |= {f"{section}.{name}": setting for name, setting in kind.model_fields.items()}
    return types.MappingProxyType(found)


def choices(path: str) -> tuple[str, ...]:
    """Return the values that a setting can have, where they are named; else an empty tuple."""
    annotation = paths()[path].annotation
    if typing.get_origin(annotation) is tuple:
        annotation = typing.get_args(annotation)[0]
    return typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()


def unknown_path(path: str) -> str:
    """Return the line that says that there is no such setting, with the nearest one."""
    near = difflib.get_close_matches(path, paths(), n=1, cutoff=0.5)
    if not near:  # the name without its section
        near = [known for known in paths() if known.endswith(f".{path}")][:1]
    hint = f"; did you mean {near[0]}?" if near else "; `tune recipes NAME` lists the settings"
    return f"there is no setting {path!r}{hint}"


def flattened(content: Mapping[str, Any], where: str, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return nested settings as path -> value.

    Raises
    ------
    ConfigError
        A section that is no mapping.
    """
    flat = {}
    for section, values in content.items():
        if section in skip:
            continue
        if "." in str(section):  # a path is fine too
            flat[str(section)] = values
        elif values is None and section in Config.model_fields:  # a section with nothing in it
            continue
        elif isinstance(values, Mapping):
            flat |= {f"{section}.{name}": value for name, value in values.items()}
        else:
            raise ConfigError(f"{where}: {unknown_path(str(section))}")
    return flat


def read(path: str | Path, option: str = "--config") -> dict[str, Any]:
    """Return the content of a configuration file, YAML or JSON, as it stands.

    Parameters
    ----------
    path
        Of the file.
    option
        By which the user has named it, for the error.

    Raises
    ------
    ConfigError
        The file cannot be read, or is no mapping of settings.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"{path}: too large for a configuration; is it the right file?")
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else _from_yaml(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a YAML or JSON file with {option}") from None
    except _UNREADABLE as error:
        raise ConfigError(f"{path}: not valid {_form(path)}: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds no settings; it should look like: optimizer: {{learning_rate: 0.01}}")
    return content


def parse_setting(text: str) -> tuple[str, Any]:
    """Return path and value of ``path=value``, the value read as YAML (``true``, ``0.1``, ``[a, b]``).

    Raises
    ------
    ConfigError
        There is no ``=``, or the value cannot be read.
    """
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise ConfigError(f"--set {_shown(text)} is not PATH=VALUE, for example optimizer.learning_rate=0.01")
    try:
        return path.strip(), _from_yaml(value)
    except _UNREADABLE:
        raise ConfigError(f"--set {_shown(text)}: the value cannot be read; put quotes around it") from None


class _Loader(yaml.SafeLoader):
    """Safe YAML with the numbers of YAML 1.2: in 1.1 a number needs a dot, and ``1e-3`` is a text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)$"), list("-+.0123456789")
)


def _from_yaml(text: str) -> Any:
    return yaml.load(text, _Loader)


def differences(before: Config, after: Config) -> Iterator[str]:
    """Yield a text for every setting that differs: ``optimizer.learning_rate 0.01 -> 0.1``."""
    old, new = before.flat(), after.flat()
    for path in dict.fromkeys((*old, *new)):
        if old.get(path) != new.get(path):
            yield f"{path} {old.get(path)} -> {new.get(path)}"


def _from_root(name: str) -> str:
    """Return the name of a file, or of a function in one, from the root; other names as they are."""
    file, colon, function = name.rpartition(":") if ".py:" in name else (name, "", "")
    return f"{Path(file).resolve()}{colon}{function}" if file and Path(file).exists() else name


def _form(path: Path) -> str:
    return "JSON" if path.suffix == ".json" else "YAML"


def _shown(value: Any) -> str:
    """Return the beginning of a value; a few lines of YAML can stand for more than memory holds."""
    text = reprlib.repr(value) if not isinstance(value, str) else repr(value[:100])
    return text if len(text) < 80 else f"{text[:77]}..."


def first_error(error: ValidationError) -> str:
    """Return pydantic's first complaint as a line: which setting, what it must be, what it was."""
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    message = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return f"{path}: {message}, not {_shown(first['input'])}"
