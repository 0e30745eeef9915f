"""Tables for the benchmarks of accuracy: read, split, scaled.

From the folder in SKNET_DATA; without it there are the small ones that come with scikit-learn.
"""

import os
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CLASSES = {  # file and target of each table
    "adult": ("adult.csv.gz", "income"),
    "covertype": ("covertype_93k.npz", None),
    "electricity": ("electricity.npz", None),
    "letter": ("letter.npz", None),
    "phoneme": ("phoneme.npz", None),
    "spambase": ("spambase.npz", None),
}
NUMBERS = {
    "abalone": ("abalone.csv.gz", "rings"),
    "california": ("california_housing.csv.gz", "median_house_value"),
    "kin8nm": ("uci_kin8nm.npz", None),
    "protein": ("uci_protein.npz", None),
}
EMBEDDED = {
    "breast cancer": (datasets.load_breast_cancer, True),
    "digits": (datasets.load_digits, True),
    "wine": (datasets.load_wine, True),
    "diabetes": (datasets.load_diabetes, False),
}
MOST_ROWS = 10_000  # to train on, and to test on


def folder():
    """Where the tables are, or None."""
    path = os.environ.get("SKNET_DATA")
    return Path(path) if path else None


def tables():
    """{name: whether its target are classes} of the tables there are."""
    if folder() is None:
        return {name: has_classes for name, (_, has_classes) in EMBEDDED.items()}
    return dict.fromkeys(CLASSES, True) | dict.fromkeys(NUMBERS, False)


def read(name):
    """X, an array or a data frame, and y, an array."""
    if folder() is None:
        return EMBEDDED[name][0](return_X_y=True)
    file, target = (CLASSES | NUMBERS)[name]
    if file.endswith(".npz"):
        with np.load(folder() / file) as arrays:
            return arrays["X"], arrays["y"]
    import pandas as pd

    frame = pd.read_csv(folder() / file).drop(columns="split", errors="ignore")
    return frame.drop(columns=target), frame[target].to_numpy()


def split(name, seed):
    """Training and test rows, scaled by the training rows: X, y, X_test, y_test in float64.

    Numbers are standardised, categories one-hot encoded; targets that are numbers are standardised
    too, so that an RMSE is in standard deviations of y.
    """
    X, y = read(name)
    has_classes = tables()[name]
    n_test = min(MOST_ROWS, len(y) // 5)
    n_train = min(MOST_ROWS, len(y) - n_test)
    parts = train_test_split(
        X, y, train_size=n_train, test_size=n_test, random_state=seed,
        stratify=y if has_classes else None,
    )  # fmt: skip
    X, X_test, y, y_test = parts
    scaler = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    if hasattr(X, "columns"):
        scaler = make_column_transformer(
            (scaler, make_column_selector(dtype_include="number")),
            (
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                make_column_selector(dtype_exclude="number"),
            ),
        )
    X, X_test = scaler.fit_transform(X).astype(float), scaler.transform(X_test).astype(float)
    if not has_classes:
        mean, deviation = y.mean(), y.std()
        y, y_test = (y - mean) / deviation, (y_test - mean) / deviation
    return X, y, X_test, y_test
