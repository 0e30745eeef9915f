"""Counts with exposure: how many claims a year, from policies that ran for a part of it.

A policy of half a year tells half as much as one of a whole year. So the target is the rate, claims
divided by exposure, and the exposure is the weight of the row: the Poisson loss of weighted rates
is that of the counts. The script compares three models by the mean Poisson deviance on new
policies: scikit-learn's linear PoissonRegressor, its gradient boosting, and an ensemble of
networks.

Run it with ``python examples/claims_with_exposure.py fremtpl2freq.csv.gz``, French motor claims; or
name a folder that has the file in the environment variable SKNET_DATA. Without a file it makes up
policies. It needs pandas.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import mean_poisson_deviance
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)

from sknet import MLPRegressor
from sknet.optimizers import AdamW
from sknet.schedules import Cosine

CATEGORIES = ["VehBrand", "VehGas", "Region", "Area"]
NUMBERS = ["VehPower", "VehAge", "DrivAge", "BonusMalus"]


def made_up(n_rows=20_000):
    """Policies whose claims depend on the driver's age, on the car and on where it is driven."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "Exposure": rng.uniform(0.05, 1, n_rows),
            "Area": rng.choice(list("ABCDEF"), n_rows),
            "VehPower": rng.integers(4, 16, n_rows),
            "VehAge": rng.integers(0, 25, n_rows),
            "DrivAge": rng.integers(18, 90, n_rows),
            "BonusMalus": rng.integers(50, 120, n_rows),
            "VehBrand": rng.choice(["B1", "B2", "B12"], n_rows),
            "VehGas": rng.choice(["Diesel", "Regular"], n_rows),
            "Density": np.exp(rng.uniform(0, 10, n_rows)),
            "Region": rng.choice(["R11", "R24", "R93"], n_rows),
        }
    )
    rate = np.exp(
        -2.5
        + 0.02 * (frame["BonusMalus"] - 50)
        + ((frame["DrivAge"] - 50) / 30) ** 2
        + 0.5 * (frame["VehBrand"] == "B12") * (frame["VehAge"] < 3)
    )
    return frame.assign(ClaimNb=rng.poisson(rate * frame["Exposure"]))


def load():
    """A name, and the policies."""
    if len(sys.argv) > 1:
        path = Path(sys.argv[1])
    else:
        path = Path(os.environ.get("SKNET_DATA", ""), "fremtpl2freq.csv.gz")
    if len(sys.argv) > 1 or path.exists():
        frame = pd.read_csv(path)
        # A few policies have more claims or years than can be.
        frame["ClaimNb"] = frame["ClaimNb"].clip(upper=4)
        frame["Exposure"] = frame["Exposure"].clip(upper=1)
        return path.name, frame
    return "made-up policies", made_up()


def columns():
    """For linear models and networks: numbers, also in pieces by their ranks, and categories."""
    pieces = make_pipeline(
        QuantileTransformer(n_quantiles=200, subsample=100_000, random_state=0),
        SplineTransformer(n_knots=20, degree=1),
    )
    return make_column_transformer(
        (StandardScaler(), NUMBERS),
        (pieces, [*NUMBERS, "Density"]),
        (OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
        sparse_threshold=0,
    )


def models():
    """{name: estimator}; the second takes the columns as they are."""
    tree_columns = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES),
        remainder="passthrough",
    )
    network = MLPRegressor(
        (64, 64),
        loss="poisson",
        solver=AdamW(beta_2=0.95, weight_decay=0.1),
        learning_rate=Cosine(warmup=0.1),
        learning_rate_init=0.003,
        batch_size=512,
        max_iter=8,
        dtype="float32",
        n_starts=4,
        combine="mean",
        random_state=0,
    )
    return {
        "PoissonRegressor": make_pipeline(columns(), PoissonRegressor(alpha=1e-7, max_iter=1000)),
        "gradient boosting": make_pipeline(
            tree_columns,
            HistGradientBoostingRegressor(
                loss="poisson", categorical_features=range(len(CATEGORIES)), random_state=0
            ),
        ),
        "networks": make_pipeline(columns(), network),
    }


def main():
    name, frame = load()
    train, test = train_test_split(frame, test_size=0.33, random_state=0)
    print(f"{name}: {len(train)} policies to train on, {len(test)} to test on")
    rate, test_rate = (part["ClaimNb"] / part["Exposure"] for part in (train, test))
    features = [*NUMBERS, "Density", *CATEGORIES]
    for model_name, model in models().items():
        begin = time.perf_counter()
        step = model.steps[-1][0]
        model.fit(train[features], rate, **{f"{step}__sample_weight": train["Exposure"]})
        seconds = time.perf_counter() - begin
        deviance = mean_poisson_deviance(
            test_rate, model.predict(test[features]), sample_weight=test["Exposure"]
        )
        print(f"{model_name + ':':20}mean Poisson deviance {deviance:.4f}, {seconds:.1f} s")


if __name__ == "__main__":
    main()
