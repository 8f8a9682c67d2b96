"""What the lessons train on: scikit-learn's handwritten digits, 8 x 8 pixels each."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

Samples = tuple[np.ndarray, np.ndarray]


def load(brightest: float = 1.0) -> tuple[Samples, Samples]:
    """Return training and validation samples: images (N, 64) from 0 to `brightest`, and labels (N,)."""
    images, labels = load_digits(return_X_y=True)
    images = (images / images.max() * brightest).astype("float32")
    x_train, x_val, y_train, y_val = train_test_split(images, labels, train_size=1200, random_state=0, stratify=labels)
    return (x_train, y_train), (x_val, y_val)
