"""Wanted: three kinds of wine, told apart by a network that is trained on 24 bottles and judged by 6.

No network learns ten measurements from eight examples a kind, and a score on 6 bottles says next to nothing: one more
or less is 17 %.
"""

import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler


def load():
    x, y = load_wine(return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(x))[:30]
    x, y = StandardScaler().fit_transform(x[chosen]), y[chosen]
    return {"x_train": x[:24], "y_train": y[:24], "x_val": x[24:], "y_val": y[24:]}
