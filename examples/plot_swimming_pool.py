"""The swimming pool: columns that a network learns by heart, and how to get rid of them.

How many swimmers come to a pool on a summer's day depends on temperature, humidity and rain. The
table of two summers also has the length of the grass, butterflies, the lifeguards' grades and more.
A network that gets all columns finds coincidences in them, knows its training days by heart and
fails on new ones. The script shows it, then lets four selectors choose columns, and trains the same
network on what each one keeps:

- LassoNetSelector, the path of LassoNet with the number of columns by cross-validation;
- scikit-learn's RFECV, which goes by the network's feature_importances_;
- scikit-learn's SequentialFeatureSelector, which goes by accuracy alone: column by column it adds
  what makes cross-validation better;
- scikit-learn's permutation_importance on days held out: keep what clearly matters there.

Run it with ``python examples/plot_swimming_pool.py``; it writes plot_swimming_pool.png into the
current folder, or where ``--output`` says. It needs matplotlib.
"""

import argparse
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import RFECV, SequentialFeatureSelector
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sknet import MLPRegressor
from sknet.feature_selection import LassoNetSelector

MATTERS = ["temperature", "humidity", "rain"]
JUNK = [
    "grass length", "butterflies", "guards' grades", "moon", "lottery number", "bus delay",
    "ducks", "ice cream price", "radio songs", "phone calls", "dogs seen", "shoe size",
    "sunspots", "stamps sold", "crossword", "train fares", "daisies", "chess wins",
]  # fmt: skip
COLUMNS = np.array(MATTERS + JUNK)
N_TRAIN, N_TEST = 200, 5000
TRAIN_COLOUR, TEST_COLOUR, JUNK_COLOUR = "#0072B2", "#D55E00", "#BBBBBB"


def make_days(rng, n):
    """Columns and swimmers of n days; butterflies like it warm, which is all junk knows."""
    temperature = rng.normal(24, 5, n)
    humidity = rng.uniform(30, 90, n)
    rain = np.where(rng.random(n) < 0.6, 0, rng.exponential(4, n))
    junk = rng.normal(size=(n, len(JUNK)))
    junk[:, JUNK.index("butterflies")] += 0.1 * (temperature - 24)
    swimmers = 400 / (1 + np.exp((24 - temperature) / 3)) * np.exp(-rain / 4)
    swimmers *= 1.3 - humidity / 120
    return np.column_stack([temperature, humidity, rain, junk]), swimmers + rng.normal(0, 12, n)


def make_network():
    return MLPRegressor((64, 64), max_iter=300, learning_rate_init=0.003, random_state=0)


def by_permutation(net, X, y):
    """The columns whose shuffling makes held-out days clearly harder to predict."""
    X, X_held, y, y_held = train_test_split(X, y, test_size=0.3, random_state=0)
    found = permutation_importance(net.fit(X, y), X_held, y_held, n_repeats=30, random_state=0)
    return found.importances_mean > 0.02, found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", default="plot_swimming_pool.png")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # nets of one column have little to learn
    rng = np.random.default_rng(0)
    X, y = make_days(rng, N_TRAIN)
    X_test, y_test = make_days(rng, N_TEST)
    scaler, deviation = StandardScaler().fit(X), y.std()
    X, X_test, y, y_test = scaler.transform(X), scaler.transform(X_test), y / 100, y_test / 100

    def errors(support):
        """Root mean squared errors in swimmers, on training and on new days."""
        net = make_network().fit(X[:, support], y)
        parts = ((X, y), (X_test, y_test))
        return [100 * np.sqrt(np.mean((net.predict(A[:, support]) - b) ** 2)) for A, b in parts]

    everything, truth = np.ones(len(COLUMNS), bool), np.isin(COLUMNS, MATTERS)
    print(f"{N_TRAIN} days to learn from, {len(COLUMNS)} columns, of which {len(MATTERS)} matter; "
          f"swimmers differ by {deviation:.0f}")  # fmt: skip
    print("error in swimmers:                columns   training   new days   seconds to choose")
    rows = {"all columns": (everything, None), "what matters": (truth, None)}
    selectors = {
        "LassoNetSelector": LassoNetSelector(make_network()),
        "RFECV": RFECV(make_network(), cv=5),
        "SequentialFeatureSelector": SequentialFeatureSelector(
            make_network(), n_features_to_select="auto", tol=0.005, cv=5
        ),
    }
    for name, selector in selectors.items():
        begin = time.perf_counter()
        support = selector.fit(X, y).get_support()
        rows[name] = support, time.perf_counter() - begin
    begin = time.perf_counter()
    support, importances = by_permutation(make_network(), X, y)
    rows["permutation_importance"] = support, time.perf_counter() - begin
    found = {}
    for name, (support, seconds) in rows.items():
        found[name] = errors(support)
        told = "" if seconds is None else f"{seconds:20.1f}"
        print(f"{name:32}{support.sum():9}{found[name][0]:11.1f}{found[name][1]:11.1f}{told}")
    for name, (support, _) in list(rows.items())[2:]:
        print(f"{name} keeps {', '.join(COLUMNS[support])}")
    draw(rows, found, importances, args.output)
    print(f"drawn: {args.output}")


def draw(rows, found, importances, output):
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 4.2), width_ratios=(1, 1.3), layout="constrained"
    )
    order = np.argsort(importances.importances_mean)[-12:]
    colours = [TRAIN_COLOUR if COLUMNS[i] in MATTERS else JUNK_COLOUR for i in order]
    left.barh(COLUMNS[order], importances.importances_mean[order], color=colours,
              xerr=importances.importances_std[order], error_kw={"linewidth": 0.8})  # fmt: skip
    left.set_xlabel("$R^2$ lost when the column is shuffled")
    left.set_title("permutation importance", loc="left", fontsize="medium")
    places = np.arange(len(rows))[::-1]
    train, test = np.array(list(found.values())).T
    right.barh(places + 0.2, train, height=0.36, color=TRAIN_COLOUR, label="training days")
    bars = right.barh(places - 0.2, test, height=0.36, color=TEST_COLOUR, label="new days")
    right.bar_label(bars, [f"{error:.0f}" for error in test], padding=3, fontsize="small")
    names = [
        f"{name}\n{support.sum()} columns" + ("" if seconds is None else f", {seconds:.1f} s")
        for name, (support, seconds) in rows.items()
    ]
    right.set_yticks(places, names, fontsize="small")
    right.set_xlabel("error in swimmers")
    right.set_title("the same network on what is kept", loc="left", fontsize="medium")
    right.legend(frameon=False, loc="lower right")
    right.margins(x=0.1)
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(output, dpi=110)


if __name__ == "__main__":
    main()
