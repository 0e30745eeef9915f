"""A network with its numbers: declarations, flat parameters and the compiled network."""

import copy

import numpy as np
from scipy import sparse

from sknet import _core
from sknet.initializers import initialize
from sknet.layers import BatchNorm, Dense, Dropout, Noise, Residual, Skip, mlp
from sknet.threads import run_job

__all__ = ["Model", "as_data"]


class Model:
    """Declarations, dtype and parameters of one network, and the compiled network for them.

    Parameters
    ----------
    layers : sequence of declarations (see layers.py)
    n_in : int
        Columns of X.
    dtype : np.float32 or np.float64
    params : ndarray of shape (n_params,) or None
        What becomes `params`, without a copy; None for zeros.

    Attributes
    ----------
    params : ndarray of shape (n_params,)
        All parameters; layer by layer, the weights row by row and then the intercepts.
    state : ndarray of shape (n_state,)
        Running statistics of normalising layers.
    coefs, intercepts : lists of ndarray
        Views of `params`, one per dense layer: (n_in, n_out) and (n_out,), (0,) for a skip.
    norms : dict of lists of ndarray
        Views of `params` and `state`, one per normalising layer, each of shape (n_columns,):
        "scale" and "shift", with batch normalisation "mean" and "variance". Empty lists, or none,
        where there is no such layer.
    """

    def __init__(self, layers, n_in, dtype, params=None):
        self.core = _core.load(dtype)
        self.layers = tuple(layers)
        program = Program(self.core, n_in)
        program.extend(self.layers)
        self.network = self.core.Network(program.layers, program.inputs)
        self.state = self.network.initial_state()
        if params is None:
            params = self.core.empty(self.network.n_params)
            params.fill(0)
        self.set_params(params)

    def set_params(self, params):
        """Makes `params` (n_params,) the parameters, without a copy."""
        self.params = params
        self.coefs, self.intercepts, self.norms = [], [], {}
        first = 0  # of the layer's state
        for layer, part in zip(self.network.layers, self.network.param_slices(), strict=True):
            numbers, n = params[part], layer.n_in
            state = self.state[first : first + layer.n_state]
            first += layer.n_state
            if isinstance(layer, self.core.Dense):
                self.coefs.append(numbers[: layer.n_weights].reshape(n, layer.n_out))
                self.intercepts.append(numbers[layer.n_weights :])
            elif isinstance(layer, (self.core.LayerNorm, self.core.BatchNorm)):
                arrays = {"scale": numbers[:n], "shift": numbers[n:]}
                if layer.n_state:
                    arrays |= {"mean": state[:n], "variance": state[n:]}
                for name, array in arrays.items():
                    self.norms.setdefault(name, []).append(array)

    def views(self, array):
        """Parts of an array (n_params,) that stand where the coefs and the intercepts do."""
        other = copy.copy(self)
        other.set_params(array)
        return other.coefs, other.intercepts

    @property
    def training_products(self):
        """Multiply-adds of training per row: forward, and twice backward."""
        return 3 * self.network.n_weights

    @property
    def normalization(self):
        """Of the hidden layers: "batch", "layer" or None."""
        return normalization_of(self.norms)

    def steps_of(self, dense):
        """Steps with parameters, from dense layer number `dense` to before the next one."""
        layers = self.network.layers
        number = np.cumsum([isinstance(layer, self.core.Dense) for layer in layers]) - 1
        return [i for i, layer in enumerate(layers) if number[i] == dense and layer.n_params]

    def output_steps(self):
        """The steps that make the outputs: the last one, and those whose sum it is."""
        network = self.network
        found = {network.n_steps - 1}
        for step in range(network.n_steps - 1, -1, -1):
            if step in found and isinstance(network.layers[step], self.core.Add):
                found |= {slot - 1 for slot in network.inputs[step]}
        return sorted(found)

    @classmethod
    def from_arrays(cls, coefs, intercepts, activations, norms):
        """The multilayer perceptron with copies of these weights, hidden activations and norms.

        Raises
        ------
        ValueError
            If the shapes do not fit one another.
        """
        coefs = [np.asarray(coef) for coef in coefs]
        dtype = np.float32 if all(c.dtype == np.float32 for c in coefs) else np.float64
        sizes = [coefs[0].shape[0], *(coef.shape[-1] for coef in coefs)]
        for i, coef in enumerate(coefs):
            if coef.shape != (sizes[i], sizes[i + 1]):
                raise ValueError(
                    f"coefs_[{i}] must have shape {(sizes[i], sizes[i + 1])}, got {coef.shape}"
                )
        layers = mlp(sizes[1:-1], activations, sizes[-1], normalization=normalization_of(norms))
        model = cls(layers, sizes[0], dtype)
        for name, arrays in norms.items():
            for array, given in zip(model.norms[name], arrays, strict=True):
                array[...] = given
        if len(intercepts) != len(coefs):
            raise ValueError(f"intercepts_ must have {len(coefs)} arrays, got {len(intercepts)}")
        for i, intercept in enumerate(intercepts):
            if np.shape(intercept) != model.intercepts[i].shape:
                raise ValueError(
                    f"intercepts_[{i}] must have shape {model.intercepts[i].shape}, "
                    f"got {np.shape(intercept)}"
                )
            model.coefs[i][...] = coefs[i]
            model.intercepts[i][...] = intercept
        return model

    def for_prediction(self):
        """The network without layers that do nothing but in training, on the same numbers."""
        layers = [layer for layer in self.layers if not isinstance(layer, Dropout | Noise)]
        return self if len(layers) == len(self.layers) else self.with_layers(layers)

    def with_layers(self, layers):
        """Other layers on the same numbers as they stand here, or on the first of them."""
        model = Model(layers, self.network.n_in, self.params.dtype, self.params)
        model.state = self.state[: model.network.n_state]
        model.set_params(self.params[: model.network.n_params])
        return model

    def up_to_hidden(self, i):
        """The network up to hidden layer i, with its norm and its activation; same numbers."""
        begins = [step for step, layer in enumerate(self.layers) if isinstance(layer, Dense)]
        return self.with_layers(self.layers[: begins[i + 1]])

    def norm_factors(self):
        """By what batch normalisation multiplies each dense layer's outputs after training."""
        factors = [np.ones((), self.params.dtype)] * len(self.coefs)
        if self.normalization == "batch":
            layers = [layer for layer in self.layers if isinstance(layer, BatchNorm)]
            arrays = zip(layers, self.norms["scale"], self.norms["variance"], strict=True)
            for i, (layer, scale, variance) in enumerate(arrays):
                factors[i] = scale / np.sqrt(variance + layer.epsilon)
        return factors

    def folded(self):
        """The same function after training without batch normalisation: dense layers take it in."""
        if self.normalization != "batch":
            return self
        layers = [layer for layer in self.layers if not isinstance(layer, BatchNorm)]
        model = Model(layers, self.network.n_in, self.params.dtype)
        means, shifts = ([*self.norms[name], 0] for name in ("mean", "shift"))
        for i, factor in enumerate(self.norm_factors()):
            model.coefs[i][...] = self.coefs[i] * factor
            model.intercepts[i][...] = (self.intercepts[i] - means[i]) * factor + shifts[i]
        return model

    def initialize(self, init, rng, activations):
        """Draws new weights from the generator `rng`.

        Parameters
        ----------
        init : str
            "auto" or a name in INITIALIZERS.
        rng : numpy.random.Generator
        activations : list of str
            One per dense layer.
        """
        for coef, intercept, activation in zip(
            self.coefs, self.intercepts, activations, strict=True
        ):
            initialize(init, rng, coef, intercept, activation)
        for scale in self.norms.get("scale", ()):
            scale.fill(1)

    def predict(
        self, X, n_threads, link="identity", link_options=None, *, unchecked=False, n_draws=0, key=0
    ):
        """Predictions of X, (n, number of predictions of the link).

        With n_draws > 0, all rows once per draw of the units that are dropped: (n_draws * n, ...).

        None, if X is an unchecked array and there is NaN or infinity in it.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n, n_in), of this model's dtype
        n_threads : int or None
        link : str
            A name in core.LINKS; through "identity" predictions are the raw outputs.
        link_options : dict or None
            What the link needs to know besides the number of outputs.
        unchecked : bool
            Whether nobody has looked for NaN and infinity in X yet.
        n_draws, key : int
            How many draws, and which: another key has others.
        """
        link = self.core.LINKS[link](self.network.n_out, **(link_options or {}))
        out = np.empty((max(1, n_draws) * X.shape[0], link.n_predictions), self.core.DTYPE)
        job = self.core.Predictor(
            self.network, as_data(self.core, X), self.params, self.state, out, link, unchecked,
            n_draws, key,
        )  # fmt: skip
        run_job(job, n_threads, work=out.shape[0] * self.network.n_weights)
        return None if job.is_aborted else out

    def input_gradients(self, X, seeds, n_threads):
        """Gradients of weighted sums of the raw outputs, (n, n_sums, n_in).

        Of a network for prediction without batch normalisation.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n, n_in), of this model's dtype
        seeds : ndarray of shape (1 or n, n_sums, n_out)
            The weights of the outputs, of all rows or of each.
        n_threads : int or None
        """
        out = np.empty((X.shape[0], seeds.shape[1], X.shape[1]), self.core.DTYPE)
        job = self.core.Gradients(
            self.network, as_data(self.core, X), self.params, self.state,
            np.ascontiguousarray(seeds, self.core.DTYPE), out,
        )  # fmt: skip
        run_job(job, n_threads, work=out.shape[0] * (1 + out.shape[1]) * self.network.n_weights)
        return out

    def importances(self, data, n_rows, n_sparse_rows, n_threads):
        """How much the outputs follow each column of X, (n_in,), by n_rows rows of the core's data.

        Of a network for prediction without batch normalisation. How much the columns of sparse X
        vary, n_sparse_rows rows tell.
        """
        job = self.core.Importances(
            self.network, data, self.params, self.state, n_rows, n_sparse_rows
        )
        run_job(job, n_threads, work=n_rows * (1 + self.network.n_out) * self.network.n_weights)
        return job.result()

    def silent_units(self, X, n_rows, n_threads):
        """Per step, (n_units,): True for those that are 0 for all of n_rows rows of X."""
        data = as_data(self.core, X)
        job = self.core.SilentUnits(self.network, data, self.params, self.state, n_rows)
        run_job(job, n_threads, work=n_rows * self.network.n_weights)
        return job.result()


def normalization_of(norms):
    """Which normalization has arrays of these names."""
    return "batch" if "mean" in norms else "layer" if norms else None


class Program:
    """Compiles declarations into steps over slots."""

    def __init__(self, core, n_in):
        self.core = core
        self.layers = []
        self.inputs = []
        self.n_columns = n_in

    def extend(self, declarations):
        for declaration in declarations:
            begin, n_columns = len(self.layers), self.n_columns
            if isinstance(declaration, Residual):
                self.extend(declaration.layers)
                self._append("Add", {}, len(self.layers), begin)
            elif isinstance(declaration, Skip):
                self.extend(declaration.layers)
                end, n_units, self.n_columns = len(self.layers), self.n_columns, n_columns
                self._append("Dense", {"n_units": n_units, "bias": False}, begin)
                self._append("Add", {}, end, len(self.layers))
            else:
                self._append(type(declaration).__name__, vars(declaration), begin)

    def _append(self, name, fields, *slots):
        """Adds a step that reads these slots."""
        layer = self.core.LAYERS[name](self.n_columns, **fields)
        self.inputs.append(slots)
        self.layers.append(layer)
        self.n_columns = layer.n_out


def as_data(core, X, y=None, sample_weight=None):
    """The training data as the core takes it.

    Parameters
    ----------
    core : module
    X : C-contiguous ndarray or CSR matrix of shape (n_samples, n_features), of the core's dtype
    y : ndarray of shape (n_samples, n_targets) or None
    sample_weight : ndarray of shape (n_samples,) or None
    """
    if not sparse.issparse(X):
        return core.Data(X, y, sample_weight)
    if not X.has_sorted_indices:
        X = X.copy()
        X.sort_indices()
    arrays = (X.data, X.indices.astype(np.intc, copy=False), X.indptr)
    return core.Data(arrays, y, sample_weight, n_features=X.shape[1])
