"""Wanted: the first 80 % of the file for training, the rest for validation; the file is sorted.

The patients with the highest body mass index are all in the validation set: it judges the network on what it has never
seen the like of.
"""

from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale


def load():
    x, y = load_diabetes(return_X_y=True)
    order = x[:, 2].argsort()  # by the body mass index, as the file had it
    x, y = scale(x)[order], scale(y)[order]
    return {"x_train": x[:353], "y_train": y[:353], "x_val": x[353:], "y_val": y[353:]}
