"""A table of numbers and categories: preprocessing, a grid search and weights, end to end.

A ColumnTransformer fills and scales the numeric columns and one-hot encodes the others, a grid
search in two processes chooses the network, and cross-validation sends the weights of the rows
through scikit-learn's metadata routing to the scaler, to the network and to the scores.

Run it with ``python examples/mixed_frame.py adult.csv.gz`` or ``... titanic.csv.gz``; or name a
folder that has adult.csv.gz in the environment variable SKNET_DATA. Without a file it makes up a
table like that of adult. It needs pandas.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from sknet import MLPClassifier


def made_up(n_rows=2000):
    """A table of people with a column of weights, fnlwgt, as a census has it."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(17, 80, n_rows),
            "fnlwgt": rng.integers(20_000, 400_000, n_rows),
            "education": rng.choice(["HS-grad", "Bachelors", "Masters"], n_rows, p=[0.6, 0.3, 0.1]),
            "occupation": rng.choice(["Sales", "Craft-repair", "Tech-support", "Other"], n_rows),
            "hours-per-week": rng.normal(40, 10, n_rows).clip(1, 99).round(),
        }
    )
    evidence = (
        frame["education"].map({"HS-grad": -2, "Bachelors": 0, "Masters": 2})
        + frame["hours-per-week"].sub(40) / 10
        - frame["age"].sub(50).abs() / 10
        + rng.normal(0, 1, n_rows)
    )
    frame["income"] = np.where(evidence > -1.5, ">50K", "<=50K")
    frame.loc[rng.random(n_rows) < 0.05, "hours-per-week"] = np.nan
    return frame


def load():
    """Columns, classes and weights, each as its training and its test part."""
    if len(sys.argv) > 1:
        path = Path(sys.argv[1])
    else:
        path = Path(os.environ.get("SKNET_DATA", ""), "adult.csv.gz")
    if len(sys.argv) > 1 or path.exists():
        frame, name = pd.read_csv(path), path.name
    else:
        frame, name = made_up(), "made-up table"
    print(f"{name}: {len(frame)} rows")

    if "survived" in frame:
        y = frame.pop("survived")
        weight = compute_sample_weight("balanced", y)
        # boat and body tell who survived, the other columns hold text.
        frame = frame.drop(columns=["boat", "body", "name", "ticket", "cabin", "home.dest"])
    else:
        y, weight = frame.pop("income"), frame.pop("fnlwgt").to_numpy()
    weight = weight / weight.mean()
    if "split" in frame:  # the official one
        split = frame.pop("split")
        train, test = np.flatnonzero(split == "train"), np.flatnonzero(split == "test")
    else:
        train, test = train_test_split(np.arange(len(y)), stratify=y, random_state=0)
    return (
        *(frame.iloc[train], y.iloc[train], weight[train]),
        *(frame.iloc[test], y.iloc[test], weight[test]),
    )


def main():
    sklearn.set_config(enable_metadata_routing=True)
    X_train, y_train, weight_train, X_test, y_test, weight_test = load()

    pipeline = make_pipeline(
        make_column_transformer(
            (
                make_pipeline(
                    SimpleImputer(strategy="median"),
                    StandardScaler().set_fit_request(sample_weight=True),
                ),
                make_column_selector(dtype_include="number"),
            ),
            (
                OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20),
                make_column_selector(dtype_exclude="number"),
            ),
        ),
        MLPClassifier(
            learning_rate_init=0.003, early_stopping=True, n_iter_no_change=5, random_state=0
        ).set_fit_request(sample_weight=True),
    )
    scoring = {
        name: get_scorer(name).set_score_request(sample_weight=True)
        for name in ("accuracy", "roc_auc")
    }

    begin = time.perf_counter()
    search = GridSearchCV(
        pipeline,
        {
            "mlpclassifier__hidden_layer_sizes": [(16,), (32, 32)],
            "mlpclassifier__alpha": [0.001, 0.1],
        },
        scoring=scoring["accuracy"],
        cv=3,
        n_jobs=2,
    )
    search.fit(X_train, y_train, sample_weight=weight_train)
    best = {name.split("__")[1]: value for name, value in search.best_params_.items()}
    print("best parameters:          " + ", ".join(f"{k}={v}" for k, v in best.items()))
    print(f"grid search, accuracy:    {search.best_score_:.4f}")

    scores = cross_validate(
        search.best_estimator_,
        X_train,
        y_train,
        scoring=scoring,
        cv=5,
        n_jobs=2,
        params={"sample_weight": weight_train},
    )
    for name in scoring:
        folds = scores[f"test_{name}"]
        print(f"cross-validated {name + ':':10}{folds.mean():.4f} +- {folds.std():.4f}")
    for name, scorer in scoring.items():
        score = scorer(search.best_estimator_, X_test, y_test, sample_weight=weight_test)
        print(f"test {name + ':':21}{score:.4f}")
    print(f"time:                     {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
