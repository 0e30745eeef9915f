"""A loan refused, explained: which columns made the difference, and how they were weighed.

A network in a pipeline learns who will not pay back. The script draws what it goes by among all
applicants, and for one whom it refuses the answer to the question why: integrated gradients, which
share out the difference between this applicant's score and that of a typical one among the columns,
so that the shares add up. One-hot columns are summed up as the column they came from.

Run it with ``python examples/plot_loan_explained.py credit_default.csv.gz``, where the file is the
table "default of credit card clients" (Yeh and Lien, 2009) with a column ``default``; or name a
folder that has it in the environment variable SKNET_DATA. Without a file it makes up applicants. It
writes plot_loan_explained.png into the current folder, or where ``--output`` says. It needs pandas
and matplotlib.
"""

import argparse
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sknet import MLPClassifier
from sknet.inspection import AttributionDisplay

CODES = {  # of the table of credit card clients
    "sex": {1: "male", 2: "female"},
    "education": {1: "graduate school", 2: "university", 3: "high school"},
    "marriage": {1: "married", 2: "single"},
}


def load(path):
    """The applicants and whether they failed to pay."""
    if path is None:
        return made_up()
    frame = pd.read_csv(path)
    frame.columns = [name.lower().replace("_", " ") for name in frame.columns]
    for name, words in CODES.items():
        frame[name] = frame[name].map(words).fillna("other")
    return frame.drop(columns="default"), frame["default"].astype(bool)


def made_up(n=4000):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "income": rng.lognormal(10.5, 0.5, n).round(-2),
        "loan": rng.lognormal(9.5, 0.7, n).round(-2),
        "months late": rng.poisson(0.6, n),
        "years employed": rng.exponential(6, n).round(),
        "age": rng.integers(20, 70, n),
        "housing": rng.choice(["rent", "own", "parents"], n),
        "purpose": rng.choice(["car", "furniture", "travel", "debts"], n),
    })  # fmt: skip
    score = (
        np.log(frame["loan"] / frame["income"])
        + 0.9 * frame["months late"]
        - 0.1 * frame["years employed"]
        + 0.7 * (frame["purpose"] == "debts")
        - 0.6 * (frame["housing"] == "own")
        + rng.logistic(0, 0.5, n)
    )
    return frame, score > 0.5


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", help="credit_default.csv.gz")
    parser.add_argument("--output", default="plot_loan_explained.png")
    args = parser.parse_args()
    path = args.path or Path(os.environ.get("SKNET_DATA", ""), "credit_default.csv.gz")
    if args.path is None and not path.exists():
        path = None
    X, fails = load(path)
    X, X_test, y, y_test = train_test_split(
        X, np.where(fails, "refuse", "grant"), test_size=0.25, random_state=0
    )
    model = make_pipeline(
        make_column_transformer(
            (StandardScaler(), make_column_selector(dtype_include="number")),
            (
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                make_column_selector(dtype_exclude="number"),
            ),
        ),
        MLPClassifier((32,), early_stopping=True, weight_decay=0.1, random_state=0),
    ).fit(X, y)
    risk = model.predict_proba(X_test)[:, 1]
    print(f"{len(X)} applicants to learn from, {len(X_test)} new ones")
    print(f"area under the ROC curve: {roc_auc_score(y_test == 'refuse', risk):.3f}")

    # Whom all others are compared with: medians, and the commonest categories.
    typical = pd.DataFrame(
        {
            name: [column.median() if column.dtype.kind in "if" else column.mode()[0]]
            for name, column in X.items()
        }
    )
    options = {"target": "refuse", "baseline": typical, "max_columns": 8}
    # Refused, but not by far: here the question is worth asking.
    number = np.argsort(np.abs(risk - 0.75))[0]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    AttributionDisplay.from_estimator(model, X_test[:500], ax=left, **options)
    left.set_title("500 applicants", loc="left", fontsize="medium")
    display = AttributionDisplay.from_estimator(model, X_test.iloc[[number]], ax=right, **options)
    right.set_title(
        f"one applicant, refused at a risk of {risk[number]:.0%}", loc="left", fontsize="medium"
    )
    figure.savefig(args.output, dpi=110)

    found = display.attributions
    print(f"\nrefused at a risk of {risk[number]:.0%}; columns for and against, in log-odds:")
    for i in np.argsort(-np.abs(found.values[0]))[:6]:
        print(f"{found.values[0, i]:+6.2f}  {found.feature_names[i]} = {found.data[0, i]}")
    total = found.values[0].sum()
    difference = found.predictions[0] - found.base_predictions[0]
    print(f"sum of all {total:+.3f}; difference from a typical applicant {difference:+.3f}")
    print(f"drawn: {args.output}")


if __name__ == "__main__":
    main()
