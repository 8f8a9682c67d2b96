"""Random changes of training images by Albumentations, of one strength from 0 to 1.

What changes is grouped in families; how far is one table, `RANGES`, whose numbers are those of full strength.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.config import Config
from recipes.errors import ConfigError
from recipes.task import Facts, Inputs, Kind

#: (images (n, height, width, channels), whole numbers not below 0) -> images of the same shape and type.
#: The same numbers give the same changes.
Augment = Callable[[NDArray[Any], Sequence[int]], NDArray[Any]]

#: How far an image is changed at full strength. Each image draws its own change, evenly between none and this, to both
#: sides where there are two. A strength s takes s times the numbers.
RANGES: Mapping[str, float] = MappingProxyType(
    {
        "rotation": 30.0,  # degrees
        "shift": 0.15,  # share of height and width, in whole pixels
        "scale": 0.2,  # share of the size, larger and smaller
        "brightness": 0.2,  # share of the range of values
        "contrast": 0.3,  # share of the contrast
        "hue": 15.0,  # of the 180 steps of OpenCV's colour wheel
        "saturation": 60.0,  # of 255
        "noise": 0.15,  # standard deviation as a share of the range of values
        "hole": 0.4,  # height and width of a hole as a share of the image's, at least a pixel
    }
)
#: Shares of the images that are changed, whatever the strength.
CHANCES: Mapping[str, float] = MappingProxyType(
    {"flip": 0.5, "affine": 1.0, "light": 0.8, "colour": 0.8, "noise": 0.5, "hole": 0.5}
)
#: Families that leave everything where it is, and in sight.
IN_PLACE = ("colour", "noise")


def augmenter(config: Config, facts: Facts) -> Augment:
    """Return the function that changes a batch of images at random.

    Parameters
    ----------
    config
        ``data.augmentation`` is the strength; 0 changes nothing.
    facts
        Shape, range and mean of the images.

    Returns
    -------
    Augment
        May be called by several threads.

    Raises
    ------
    ConfigError
        The inputs are no images; or boxes are to be found in them, and a family would move or hide their content.
    """
    strength, families = config.data.augmentation, config.data.augmentation_families
    if not strength or not families:
        return lambda images, _key: images
    if facts.inputs.kind != "image":
        raise ConfigError(f"data.augmentation is for images, and {facts.name} has {facts.inputs.kind} inputs; use none")
    if facts.task.kind is Kind.DETECTION and not set(families) <= set(IN_PLACE):
        refused = " and ".join(family for family in families if family not in IN_PLACE)
        raise ConfigError(
            f"data.augmentation_families: {refused} would move or hide what the boxes are around; "
            f"use data.augmentation_families={','.join(IN_PLACE)}"
        )
    return _Augmenter(config, facts.inputs)


class _Augmenter:
    """Puts images through transforms of which each thread has its own, for they hold the state of the drawing."""

    def __init__(self, config: Config, inputs: Inputs) -> None:
        self._config = config
        self._inputs = inputs
        self._local = threading.local()

    def __call__(self, images: NDArray[Any], key: Sequence[int]) -> NDArray[Any]:
        # Albumentations takes bytes, or floats from 0 to 1.
        are_bytes = images.dtype == np.uint8 and (self._inputs.low, self._inputs.high) == (0, 255)
        pipeline = self._pipeline(are_bytes)
        numbers = np.random.SeedSequence(list(key)).generate_state(2, np.uint64)
        # One generator for all: `set_random_seed` gives each transform its own with the same seed, and so all of them,
        # or none, would change an image.
        pipeline.set_random_state(np.random.default_rng(int(numbers[0])), random.Random(int(numbers[1])))
        changed = np.empty_like(images)
        for i, image in enumerate(images):
            changed[i] = pipeline(image=image)["image"] if are_bytes else self._by_floats(pipeline, image)
        return changed

    def _by_floats(self, pipeline: Any, image: NDArray[Any]) -> NDArray[Any]:
        unit = ((image - self._inputs.low) / _width(self._inputs)).astype(np.float32)
        changed = pipeline(image=unit)["image"] * _width(self._inputs) + self._inputs.low
        return np.rint(changed) if image.dtype.kind in "iu" else changed

    def _pipeline(self, are_bytes: bool) -> Any:
        name = "bytes" if are_bytes else "floats"
        if not hasattr(self._local, name):
            setattr(self._local, name, compose(self._config, self._inputs, are_bytes=are_bytes))
        return getattr(self._local, name)


def _albumentations() -> Any:
    """Return the library, which is slow to import, told not to look for a newer one nor to start threads of its own."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations
    import cv2

    cv2.setNumThreads(0)
    return albumentations


def compose(config: Config, inputs: Inputs, *, are_bytes: bool) -> Any:
    """Return Albumentations' pipeline for single images.

    Parameters
    ----------
    config, inputs
        What is changed and how far; shape, range and mean of the images.
    are_bytes
        Whether the images are bytes, or floats from 0 to 1.

    Returns
    -------
    albumentations.Compose
        The families one after the other, in the order in which things happen to a picture.
    """
    strength, shape = config.data.augmentation, inputs.shape
    made = {
        "geometric": lambda: _geometric(strength, shape, config.data.flips),
        "colour": lambda: _colour(strength, shape),
        "noise": lambda: _noise(strength),
        "occlusion": lambda: _occlusion(strength, shape, _mean(inputs, are_bytes)),
    }
    families = [family for family in made if family in config.data.augmentation_families]
    return _albumentations().Compose([transform for family in families for transform in made[family]()])


def _geometric(strength: float, shape: tuple[int, ...], flips: bool) -> list[Any]:
    import cv2

    height, width = shape[:2]
    degrees, scale = strength * RANGES["rotation"], strength * RANGES["scale"]
    # In whole pixels, for parts of them blur small images; and no further than allowed.
    across, down = (int(strength * RANGES["shift"] * side) for side in (width, height))
    library = _albumentations()
    affine = library.Affine(
        rotate=(-degrees, degrees),
        scale=(1 - scale, 1 + scale),
        keep_ratio=True,
        translate_px={"x": (-across, across), "y": (-down, down)},
        border_mode=cv2.BORDER_REFLECT_101,
        p=CHANCES["affine"],
    )
    return [library.HorizontalFlip(p=CHANCES["flip"]), affine] if flips else [affine]


def _colour(strength: float, shape: tuple[int, ...]) -> list[Any]:
    library = _albumentations()
    light = library.RandomBrightnessContrast(
        brightness_limit=strength * RANGES["brightness"],
        contrast_limit=strength * RANGES["contrast"],
        p=CHANCES["light"],
    )
    if shape[2] != 3:  # no colours
        return [light]
    hue, saturation = strength * RANGES["hue"], strength * RANGES["saturation"]
    return [
        light,
        library.HueSaturationValue(
            hue_shift_limit=hue, sat_shift_limit=saturation, val_shift_limit=0, p=CHANCES["colour"]
        ),
    ]


def _noise(strength: float) -> list[Any]:
    return [_albumentations().GaussNoise(std_range=(0.0, strength * RANGES["noise"]), p=CHANCES["noise"])]


def _occlusion(strength: float, shape: tuple[int, ...], blank: tuple[float, ...]) -> list[Any]:
    height, width = shape[:2]
    highest, widest = (max(1, round(strength * RANGES["hole"] * side)) for side in (height, width))
    return [
        _albumentations().CoarseDropout(
            num_holes_range=(1, 1),
            hole_height_range=(max(1, highest // 2), highest),
            hole_width_range=(max(1, widest // 2), widest),
            fill=blank,
            p=CHANCES["hole"],
        )
    ]


def _mean(inputs: Inputs, are_bytes: bool) -> tuple[float, ...]:
    """Return the mean colour, which tells a network nothing, on the scale on which the transforms work."""
    mean = np.array(inputs.mean or [inputs.low] * inputs.shape[2])
    scaled = mean.round() if are_bytes else (mean - inputs.low) / _width(inputs)
    return tuple(scaled.tolist())


def _width(inputs: Inputs) -> float:
    """Return the width of the range of values; 1 where all are the same."""
    return (inputs.high - inputs.low) or 1.0
