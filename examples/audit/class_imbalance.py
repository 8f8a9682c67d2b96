"""Wanted: fraud found among payments, judged by accuracy.

Two in a hundred are fraud. Who never says "fraud" is right in 98 % of the cases, and so will be the network.
"""

from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split


def load():
    x, y = make_classification(2000, 12, n_informative=6, weights=[0.98], flip_y=0, random_state=0)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    return {"x_train": x_train, "y_train": y_train, "x_val": x_val, "y_val": y_val}
