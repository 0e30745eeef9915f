"""From which column of a table each column that a network sees has come."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

__all__ = ["origins"]


def origins(transformer, n_in):
    """The number of the input column that each output column was made of alone.

    Parameters
    ----------
    transformer : fitted transformer, "passthrough", None or "drop"
    n_in : int
        Columns it takes.

    Returns
    -------
    ndarray of shape (n_out,), or None where output columns mix input columns, or nobody knows.
    """
    if transformer is None or transformer == "passthrough":
        return np.arange(n_in)
    if transformer == "drop":
        return np.arange(0)
    if isinstance(transformer, Pipeline):
        found = np.arange(n_in)
        for step in transformer.named_steps.values():
            places = origins(step, len(found))
            if places is None:
                return None
            found = found[places]
        return found
    if isinstance(transformer, ColumnTransformer):
        return _of_column_transformer(transformer, n_in)
    if isinstance(transformer, OneHotEncoder):
        features = enumerate(transformer._n_features_outs)
        return np.concatenate([np.full(n_out, i) for i, n_out in features])
    return _by_name(transformer, n_in)


def _by_name(transformer, n_in):
    """Of transformers that let columns keep their names: scalers, imputers, selectors."""
    names = getattr(transformer, "feature_names_in_", [f"x{i}" for i in range(n_in)])
    try:
        names_out = transformer.get_feature_names_out(names)
    except (AttributeError, ValueError):  # it does not tell
        return None
    places = {name: i for i, name in enumerate(names)}
    if not all(name in places for name in names_out):
        return None
    return np.array([places[name] for name in names_out], int)


def _of_column_transformer(transformer, n_in):
    parts = []
    for name, part, _ in transformer.transformers_:
        columns = np.asarray(transformer._transformer_to_input_indices[name], int)
        places = origins(part, len(columns))
        if places is None:
            return None
        parts.append((transformer.output_indices_[name], columns[places]))
    found = np.empty(max(part.stop for part, _ in parts), int)
    for part, columns in parts:
        if part.stop - part.start != len(columns):
            return None
        found[part] = columns
    return found
