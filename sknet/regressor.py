"""MLPRegressor: numbers in, numbers out."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import column_or_1d

from sknet.averaging import Averaging
from sknet.base import BaseNetwork
from sknet.choices import chosen
from sknet.losses import REGRESSION_LOSSES, Gamma, Loss, Poisson, Quantile, Tweedie
from sknet.methods import fitting, when_available
from sknet.optimizers import Optimizer
from sknet.schedules import Schedule
from sknet.typing import (
    Activation,
    Initializer,
    MatrixLike,
    RegressionLossName,
    ScheduleName,
    SolverName,
)
from sknet.uncertainty import UncertaintyMixin

__all__ = ["MLPRegressor"]


class MLPRegressor(RegressorMixin, UncertaintyMixin, BaseNetwork):
    """Multilayer perceptron regressor.

    The parameters, attributes and numbers of scikit-learn's class of this name, and more, on a
    compiled core. One or several outputs; dense and sparse rows.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer. () has no hidden layer: the linear model.
    activation : str or sequence of str, default='relu'
        Function of the hidden units; one name for all layers, or one per hidden layer.

        - 'identity', f(x) = x: the network is linear.
        - 'logistic', f(x) = 1 / (1 + exp(-x)).
        - 'tanh', f(x) = tanh(x).
        - 'relu', f(x) = max(0, x).
        - 'leaky_relu', f(x) = x where x > 0, else 0.01 x.
        - 'elu', f(x) = x where x > 0, else exp(x) - 1.
        - 'selu', 1.0507 times x where x > 0, else times 1.6733 (exp(x) - 1): keeps mean 0 and
          variance 1 from layer to layer, with `init='lecun_normal'` and scaled X.
        - 'gelu', f(x) = x P(x), P the distribution function of the normal distribution.
        - 'silu', f(x) = x / (1 + exp(-x)), also called swish.
        - 'mish', f(x) = x tanh(log(1 + exp(x))).
        - 'softplus', f(x) = log(1 + exp(x)).

    solver : str or object of `sknet.optimizers`, default='adam'
        How the weights are found. 'sgd' is stochastic gradient descent with momentum, 'adam' the
        method of [2]_; these and 'rmsprop', 'adagrad', 'adamw', 'nadam', 'radam' and 'lion' go
        through mini-batches. 'lbfgs' uses all rows at each step: often best for a few thousand
        rows or fewer. A name means the optimizer with its defaults, `AdamW(beta_2=0.95)` says
        more.
    alpha : float, default=0.0001
        Strength of the L2 penalty alpha / 2 * sum(coefs_ ** 2), divided by the weight of the
        mini-batch (the number of its rows) as in scikit-learn.
    batch_size : int or 'auto', default='auto'
        Rows per mini-batch; 'auto' is min(200, n_samples). 'lbfgs' has no mini-batches.
    learning_rate : str, object of `sknet.schedules` or callable, default='constant'
        How the learning rate goes on from `learning_rate_init`, for all solvers but 'lbfgs'
        (in scikit-learn for 'sgd' alone).

        - 'constant' stays.
        - 'invscaling' is learning_rate_init / (t + 1) ** power_t after t rows.
        - 'adaptive' is divided by 5 where training would otherwise stop, down to 1e-6.
        - 'step' is divided by 10 after every 30 epochs, 'exponential' multiplied by 0.95 after
          each one.
        - 'cosine' falls to 0 at `max_iter` along half a cosine, 'cosine_restarts' in cycles of
          10, 20, 40, ... epochs.
        - 'one_cycle' rises from 0.04 to 1 times `learning_rate_init`, then falls to nearly 0.
        - 'coslog' goes up and down four times, each time twice as long.
        - 'reduce_on_plateau' is divided by 10 when 5 epochs have brought nothing.

        A name means the schedule with its defaults; `Cosine(warmup=0.05)` says more. A callable
        takes the fraction of training done and returns the factor of `learning_rate_init`.
    learning_rate_init : float, default=0.001
        Learning rate at the beginning; of a schedule that rises, the highest.
    power_t : float, default=0.5
        Exponent of 'invscaling'.
    max_iter : int, default=200
        Most epochs (passes over the data), most iterations for 'lbfgs'.
    shuffle : bool, default=True
        Whether each epoch goes through the rows in a new random order.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, of the order of rows and of the validation split. With an
        int the fitted network has the same bits at each call, on any number of threads.
    tol : float, default=1e-4
        Training stops when `n_iter_no_change` epochs in a row have not improved the loss (or the
        validation score) by at least `tol`. For 'lbfgs', the largest gradient component at which
        to stop.
    verbose : bool or int, default=False
        Whether to print the loss of each epoch.
    warm_start : bool, default=False
        Whether fit goes on from the last fit. It does so exactly: optimizer, learning rate, random
        numbers and validation split included, two fits of 50 epochs end with the bits of one fit of
        100. ('lbfgs' goes on from the weights only.)
    momentum : float, default=0.9
        Momentum of 'sgd', between 0 and 1.
    nesterovs_momentum : bool, default=True
        Whether 'sgd' uses Nesterov's form of momentum.
    early_stopping : bool, default=False
        Whether to stop by the score on validation rows, and to keep the parameters with the best
        score. 'lbfgs' has no early stopping.
    validation_fraction : float, default=0.1
        Part of the training rows that `early_stopping` holds out where `fit` is not given
        validation rows: two rows at the least.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the first and second moments of 'adam', in [0, 1).
    epsilon : float, default=1e-8
        Added to the denominator of 'adam'.
    n_iter_no_change : int or np.inf, default=10
        See `tol`. For 'sgd' and 'adam'.
    max_fun : int, default=15000
        Most evaluations of the loss by 'lbfgs'.
    loss : str or object of `sknet.losses`, default='squared_error'
        What is minimised.

        - 'squared_error', half the squared difference: predicts means.
        - 'absolute_error': predicts medians; outliers count no more than other rows.
        - 'huber': squared up to a difference of 1.35, linear beyond.
        - 'quantile': the pinball loss; `Quantile([0.05, 0.5, 0.95])` predicts three quantiles
          that do not cross: outputs in ascending order.
        - 'poisson', 'gamma', 'tweedie': half the deviance, predictions through a log link. For
          counts y >= 0, amounts y > 0, and sums of a random number of amounts y >= 0. Give rates
          as y, and what they are rates of (exposure) as `sample_weight`.

        A name means the loss with its defaults; `Huber(delta=2.0)` says more.
    dropout : float or sequence of float, default=0.0
        Probability, in [0, 1), that a hidden unit is left out at a step of training, so that units
        cannot lean on one another [4]_; one for all hidden layers, or one per layer. Predictions
        use all units. Not for 'lbfgs'.
    input_dropout : float, default=0.0
        The same for the columns of X.
    input_noise : float, default=0.0
        Standard deviation of normal noise that is added to X in training, in units of X, which
        should be scaled: makes the network smoother [8]_. Not for 'lbfgs'.
    mixup : float, default=0.0
        If not 0, each row is mixed with another one, and their targets with them, in shares from
        the distribution Beta(mixup, mixup) [9]_; 0.1 to 0.4 are usual. For dense X, and not for
        'lbfgs'.
    normalization : {'batch', 'layer'} or None, default=None
        What comes out of each hidden layer is brought to mean 0 and variance 1 before the
        activation, then scaled and shifted by what is learned. 'batch': each unit over blocks of
        32 or more rows of a mini-batch [6]_, for predictions by running means; not for 'lbfgs'.
        'layer': each row over its units [7]_.
    init : str, default='auto'
        How weights begin.

        - 'auto' as in scikit-learn: 'glorot_uniform', for 'logistic' units with a smaller bound;
          intercepts from the same interval. With all others they begin at 0.
        - 'glorot_uniform', 'glorot_normal': variance 2 / (n_in + n_out) [1]_.
        - 'he_uniform', 'he_normal': variance 2 / n_in, for 'relu' and its like.
        - 'lecun_normal': variance 1 / n_in, for 'selu'.
        - 'orthogonal': orthonormal columns, or rows where there are fewer.

    weight_decay : float or None, default=None
        Part of the weights, not of the intercepts, that each update takes off, times the learning
        rate. Unlike `alpha` it does not pass through the optimizer. None is what the solver says:
        0.01 for 'adamw', nothing for the others. Not for 'lbfgs'.
    l1 : float, default=0.0
        Strength of the L1 penalty l1 * sum(abs(coefs_)), divided by the weight of the mini-batch
        as `alpha` is. Pulls small weights as hard as large ones. Not for 'lbfgs'.
    max_norm : float or None, default=None
        Largest Euclidean norm of the weights into each hidden unit; what is longer after an update
        is scaled down to it [4]_. 3 or 4 are usual, with dropout. Not for 'lbfgs'.
    clip_norm : float or None, default=None
        Largest Euclidean norm of the gradient of a mini-batch, over all parameters; a longer one
        is scaled down to it [5]_. Not for 'lbfgs'.
    coefs_init, intercepts_init : list of array-like or None, default=None
        Weights (n_in, n_out) and intercepts (n_out,) to begin with, for instance `coefs_` and
        `intercepts_` of a fitted network. None, for all layers or as an element of the list: as
        `init` says.
    frozen_layers : list of str or None, default=None
        Layers that keep their first weights and intercepts: 'hidden_0' (`coefs_[0]` and
        `intercepts_[0]`), 'hidden_1', ..., 'output'. They take no part in penalties.
    averaging : {'ema', 'swa'}, object of `sknet.averaging` or None, default=None
        What the network predicts with: None the last weights, 'ema' their exponential moving
        average, 'swa' the mean of the last quarter of `max_iter` epochs. `EMA(decay=0.99)` says
        more. Losses are those of the weights on their way. Not for 'lbfgs'.
    scoring : str, callable or None, default=None
        Score of the validation rows, for `early_stopping` or `X_val`: one of
        `sklearn.metrics.get_scorer_names()`, a callable `(estimator, X, y)`, higher being better,
        or 'loss', which is minus the loss without penalties. None is what `score` returns: R^2,
        for quantiles D^2.
    max_time : float or None, default=None
        Seconds after which training ends, at the end of an epoch. How far it has come by then, and
        so the result, depends on the machine.
    n_starts : int, default=1
        Starting points, from which networks are trained at the same time, each on one thread and
        all on the same rows. The first has the seed `random_state`, if that is an int. With
        `early_stopping` all share the validation rows of the first.
    combine : {'best', 'mean'}, default='best'
        What becomes of several starts: 'best' keeps the network with the best validation score,
        or without validation rows the lowest loss. 'mean' keeps all and predicts the mean of
        their predictions: an ensemble, most often the more accurate one [10]_.
    n_threads : int or None, default=None
        Threads of fit and predict. None takes what the machine has to spare: its cores, but no
        more than OMP_NUM_THREADS, one inside a nested joblib worker, and few for small networks.
        A number is that of fit; predictions take no more than their rows keep busy. The number of
        threads never changes a bit of the result.
    dtype : {'auto', 'float32', 'float64'}, default='auto'
        Type the network computes with. 'auto' is float32 for float32 input and float64 for
        everything else. float32 is up to twice as fast.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer. You may set them, or change them in place.
    intercepts_ : list of ndarray of shape (n_out,)
        Intercepts of each layer. You may set them, or change them in place.
    norm_scales_, norm_shifts_ : list of ndarray of shape (n_units,)
        What hidden layers are scaled and shifted by after their normalization, if any.
    norm_means_, norm_variances_ : list of ndarray of shape (n_units,)
        Running means and variances of 'batch' normalization.
    n_iter_ : int
        Epochs (or iterations of 'lbfgs') of the last fit.
    loss_ : float
        Loss at the end.
    best_loss_ : float or None
        Lowest loss; None with `early_stopping`.
    loss_curve_ : list of float
        Loss of each epoch, the mean over its mini-batches. Not for 'lbfgs'.
    history_ : dict of ndarray of shape (n_epochs,)
        Per epoch: 'epoch', from 1; 'loss'; with validation rows 'validation_loss', without
        penalties, and 'validation_score'; 'learning_rate' at its end; 'gradient_norm', the root
        mean square over its mini-batches; 'seconds' since training began. For 'lbfgs' iterations,
        their loss and seconds. `pandas.DataFrame(net.history_)` is a table of it.
    validation_scores_ : list of float or None
        Score of the validation rows after each epoch, see `scoring`; None without such rows.
    best_validation_score_ : float or None
        The highest of them.
    start_seeds_ : ndarray of shape (n_starts,)
        `random_state` of each start: a single fit with it, and with the same validation rows, has
        the same bits. Like the next two only with several starts.
    start_scores_ : ndarray of shape (n_starts,)
        Validation score of each start, or minus its loss; NaN if it diverged.
    start_histories_ : list of dict
        `history_` of each start.
    estimators_ : list of MLPRegressor
        Of `combine='mean'` the networks, but for those that diverged. What belongs to one
        network (`coefs_`, `history_`, `loss_curve_` and so on) is found there.
    feature_importances_ : ndarray of shape (n_features_in_,)
        How much the raw outputs follow each column: the mean size of their derivatives, in units of
        the column's standard deviation, over up to 2,000 training rows, fewer after short training.
        Deviations of sparse columns are those over 1,000 to 2,000 rows, if there are so many. Not
        negative, of sum 1 (zeros if no output follows any column). `SelectFromModel`, `RFE` and
        `RFECV` go by it.
    residual_std_ : float or ndarray of shape (n_outputs,)
        Standard deviation of the noise: what squared errors on the validation rows have beyond
        the spread of an ensemble's members; for 'poisson', 'gamma' and 'tweedie' in units of the
        standard deviation that goes with the mean. Without validation rows that of the training
        rows, which is too small, and only of an ensemble.
    t_ : int
        Rows seen in training, over all epochs.
    n_layers_ : int
        Layers, input and output included.
    n_outputs_ : int
        Raw outputs of the network.
    out_activation_ : str
        Function of the raw outputs: 'identity'; 'exp' for the losses 'poisson', 'gamma' and
        'tweedie'; 'sorted' for several quantiles.
    n_features_in_ : int
        Features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X had names that are all strings.

    See Also
    --------
    MLPClassifier : The same network for classes.

    Notes
    -----
    Weights. A row of weight 2 counts as two copies of it, one of weight 0 as none: the result is
    the same, up to rounding, for 'lbfgs' and whenever a mini-batch holds all rows. With several
    mini-batches it is the same in the mean only: two copies are usually shuffled into different
    mini-batches, and each mini-batch is divided by the sum of its own weights. A random validation
    split, too, sees copies as rows of their own.

    A plain fit keeps no state of the optimizer; `warm_start` and `partial_fit` do.

    References
    ----------
    .. [1] Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
       networks", AISTATS 2010 (initial weights).
    .. [2] Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015,
       arXiv:1412.6980.
    .. [3] Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors",
       Nature 323, 1986.
    .. [4] Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
       JMLR 15, 2014.
    .. [5] Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks",
       ICML 2013.
    .. [6] Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing
       internal covariate shift", ICML 2015; over blocks: Hoffer, Hubara and Soudry, "Train longer,
       generalize better", NeurIPS 2017.
    .. [7] Ba, Kiros and Hinton, "Layer normalization", 2016, arXiv:1607.06450.
    .. [8] Bishop, "Training with noise is equivalent to Tikhonov regularization", Neural
       Computation 7, 1995.
    .. [9] Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization",
       ICLR 2018.
    .. [10] Lakshminarayanan, Pritzel and Blundell, "Simple and scalable predictive uncertainty
       estimation using deep ensembles", NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sknet import MLPRegressor
    >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> y = np.sin(3 * X[:, 0])
    >>> net = MLPRegressor((16,), activation="tanh", solver="lbfgs", random_state=0).fit(X, y)
    >>> net.predict([[0.5]]).round(1)
    array([1.])
    >>> net.score(X, y) > 0.99
    True
    """

    _y_is_numeric = True

    _parameter_constraints: dict = {
        **BaseNetwork._parameter_constraints,
        "loss": [StrOptions(set(REGRESSION_LOSSES)), Loss],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: Activation | Sequence[Activation] = "relu",
        *,
        solver: SolverName | Optimizer = "adam",
        alpha: float = 0.0001,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: ScheduleName | Schedule | Callable[[float], float] = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss: RegressionLossName | Loss = "squared_error",
        dropout: float | Sequence[float] = 0.0,
        input_dropout: float = 0.0,
        input_noise: float = 0.0,
        mixup: float = 0.0,
        normalization: Literal["batch", "layer"] | None = None,
        init: Initializer = "auto",
        weight_decay: float | None = None,
        l1: float = 0.0,
        max_norm: float | None = None,
        clip_norm: float | None = None,
        coefs_init: Sequence[ArrayLike | None] | None = None,
        intercepts_init: Sequence[ArrayLike | None] | None = None,
        frozen_layers: Sequence[str] | None = None,
        averaging: Literal["ema", "swa"] | Averaging | None = None,
        scoring: str | Callable[..., float] | None = None,
        max_time: float | None = None,
        n_starts: int = 1,
        combine: Literal["best", "mean"] = "best",
        n_threads: int | None = None,
        dtype: Literal["auto", "float32", "float64"] = "auto",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss = loss
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.input_noise = input_noise
        self.mixup = mixup
        self.normalization = normalization
        self.init = init
        self.weight_decay = weight_decay
        self.l1 = l1
        self.max_norm = max_norm
        self.clip_norm = clip_norm
        self.coefs_init = coefs_init
        self.intercepts_init = intercepts_init
        self.frozen_layers = frozen_layers
        self.averaging = averaging
        self.scoring = scoring
        self.max_time = max_time
        self.n_starts = n_starts
        self.combine = combine
        self.n_threads = n_threads
        self.dtype = dtype

    def _check_y(self, y, *, first, classes=None, complete=False):
        """y of shape (n,), or (n, n_outputs) for several outputs."""
        y = y.toarray() if hasattr(y, "toarray") else y
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._loss().check_targets(y)
        return y

    def _loss(self):
        loss = chosen(self.loss, REGRESSION_LOSSES)
        if loss.of_numbers is None:
            raise ValueError(
                f"loss must be one for numbers: {', '.join(REGRESSION_LOSSES)}; got {loss}."
            )
        return loss

    def _encode(self, y):
        loss = self._loss()
        targets = y[:, None] if y.ndim == 1 else y
        n_levels = np.size(loss.levels) if isinstance(loss, Quantile) else 1
        return targets, targets.shape[1] * n_levels, (loss.of_numbers, loss.options())

    def _score_raw(self, raw, y, sample_weight):
        values = np.exp(raw) if self.out_activation_ == "exp" else raw
        if not np.isfinite(values).all():
            return float("nan")
        values = self._shaped(values)
        if self._n_levels > 1:
            values = np.sort(values, axis=-1)
        return self._score_predictions(values, y, sample_weight)

    def _score_predictions(self, predictions, y, sample_weight):
        """R^2; of quantiles D^2, since R^2 would have them all predict the mean."""
        from sklearn.metrics import d2_pinball_score, r2_score  # half the time to import sknet

        loss = self._loss()
        if not isinstance(loss, Quantile):
            return float(r2_score(y, predictions, sample_weight=sample_weight))
        levels = loss.options()["levels"]
        if self._n_levels == 1:
            predictions = predictions[..., None]
        scores = [
            d2_pinball_score(y, predictions[..., i], alpha=level, sample_weight=sample_weight)
            for i, level in enumerate(levels)
        ]
        return float(np.mean(scores))

    @property
    def _n_levels(self):
        """Quantiles that are predicted of each target."""
        return self._link_options.get("n_levels", 1)

    def _shaped(self, predictions):
        """Predictions (n, n_outputs_) as users want them."""
        if self._n_levels > 1:
            predictions = predictions.reshape(len(predictions), -1, self._n_levels)
        return predictions[:, 0] if predictions.shape[1] == 1 else predictions

    def score(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination R^2 of the predictions.

        For quantiles it is D^2, the mean over the levels of `sklearn.metrics.d2_pinball_score`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            1 is perfect, 0 as good as the mean of y, or its quantile.
        """
        return self._score_predictions(self.predict(X), y, sample_weight)

    def predict(
        self, X: MatrixLike, return_std: bool = False
    ) -> NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]:
        """Predict the target of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return also the standard deviation of y around its prediction: the spread
            of the members of an ensemble, and the noise (`residual_std_`). Needs
            `combine="mean"` or validation rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            With several quantile levels (n_samples, n_levels) or
            (n_samples, n_outputs, n_levels).
        std : ndarray of the shape of y
            Only with `return_std=True`.

        Raises
        ------
        ValueError
            If X is not usable, or nothing is known of the standard deviation.
        """
        self._check_fitted()
        if return_std:
            return self._predict_with_std(X)
        if self._is_ensemble:
            return self._shaped(self._predict_networks(self._checked_rows(X)).mean(axis=0))
        return self._shaped(self._predict(X, self.out_activation_, self._link_options))

    def predict_samples(
        self,
        X: MatrixLike,
        n_samples: int = 100,
        *,
        random_state: int | np.random.RandomState | None = 0,
    ) -> NDArray[Any]:
        """Predictions with units dropped at random, as in training: MC-dropout.

        Their spread shows how little the network knows of a row [1]_. Each sample of a row drops
        other units. Of an ensemble, each member makes its share of the samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
        n_samples : int, default=100
        random_state : int, RandomState instance or None, default=0
            Which units are dropped; None for others at each call.

        Returns
        -------
        samples : ndarray of shape (n_samples, n_rows) or (n_samples, n_rows, n_outputs)
            Each of them as `predict` would return it.

        Raises
        ------
        ValueError
            If X is not usable, or the network has neither `dropout` nor `input_dropout`.

        References
        ----------
        .. [1] Gal and Ghahramani, "Dropout as a Bayesian approximation", ICML 2016.

        Examples
        --------
        >>> import numpy as np
        >>> from sknet import MLPRegressor
        >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
        >>> net = MLPRegressor((50,), dropout=0.1, max_iter=1000, random_state=0).fit(X, X[:, 0])
        >>> net.predict_samples(X, 20).shape
        (20, 200)
        """
        self._check_fitted()
        samples = self._sample(X, n_samples, random_state, self.out_activation_, self._link_options)
        return np.stack([self._shaped(sample) for sample in samples])

    @when_available(lambda self: self._check_partial_fit())
    @fitting
    def partial_fit(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """One epoch over these rows, going on from where training stands.

        100 calls with the same rows end with the bits of one fit of 100 epochs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If data are not usable. The estimator is then as it was before the call.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss in ("poisson", "gamma", "tweedie") or (
            isinstance(self.loss, Poisson | Gamma | Tweedie)
        )
        return tags
