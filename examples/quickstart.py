"""Digits: a network in a pipeline, its parameters chosen by grid search.

Run it with ``python examples/quickstart.py``.
"""

import time

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknet import MLPClassifier


def main():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    pipeline = make_pipeline(
        StandardScaler(),
        MLPClassifier(learning_rate_init=0.01, max_iter=500, random_state=0),
    )
    search = GridSearchCV(
        pipeline,
        {
            "mlpclassifier__hidden_layer_sizes": [(50,), (200,)],
            "mlpclassifier__alpha": [0.01, 0.1, 1.0],
        },
        cv=5,
    )
    begin = time.perf_counter()
    search.fit(X_train, y_train)
    seconds = time.perf_counter() - begin
    print(f"cross-validated accuracy: {search.best_score_:.4f}")
    print(f"test accuracy:            {search.score(X_test, y_test):.4f}")
    print(
        "best parameters:          "
        + ", ".join(f"{name.split('__')[1]}={value}" for name, value in search.best_params_.items())
    )
    n_fits = len(search.cv_results_["params"]) * search.n_splits_ + 1
    print(f"time:                     {seconds:.1f} s for {n_fits} fits")


if __name__ == "__main__":
    main()
