"""MLPClassifier: labels in, labels and probabilities out."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit, log_softmax, logsumexp
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d

from sknet import _core
from sknet.averaging import Averaging
from sknet.base import BaseNetwork
from sknet.choices import chosen
from sknet.labels import distinct, encode
from sknet.losses import CLASSIFICATION_LOSSES, Loss
from sknet.methods import NotAvailableError, fitting, when_available
from sknet.optimizers import Optimizer
from sknet.schedules import Schedule
from sknet.typing import (
    Activation,
    ClassificationLossName,
    Initializer,
    MatrixLike,
    ScheduleName,
    SolverName,
)

__all__ = ["MLPClassifier"]


class MLPClassifier(ClassifierMixin, BaseNetwork):
    """Multilayer perceptron classifier.

    The parameters, attributes and numbers of scikit-learn's class of this name, and more, on a
    compiled core. Binary, multiclass and multilabel targets; dense and sparse rows.

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
        validation rows: in the proportions of the classes, at least one of each and two in all.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the first and second moments of 'adam', in [0, 1).
    epsilon : float, default=1e-8
        Added to the denominator of 'adam'.
    n_iter_no_change : int or np.inf, default=10
        See `tol`. For 'sgd' and 'adam'.
    max_fun : int, default=15000
        Most evaluations of the loss by 'lbfgs'.
    loss : str or object of `sknet.losses`, default='log_loss'
        What is minimised.

        - 'log_loss', the negative log-likelihood: softmax outputs for several classes, logistic
          ones for two classes and for labels.
        - 'squared_error', the sum of squared differences between logistic outputs and the 0/1
          targets: the cost of many textbooks' first network. Probabilities of several classes
          are the outputs divided by their sum.
        - 'hinge', the margin's: no probabilities, but `decision_function`.
        - 'focal', the log-loss with less weight on rows that are already right.

        A name means the loss with its defaults; `Focal(gamma=1.0)` says more.
    label_smoothing : float, default=0.0
        Part of each target, in [0, 1), that is shared out evenly among the classes, so that
        probabilities are less sure of themselves. For 'log_loss' and 'squared_error'.
    class_weight : dict, 'balanced' or None, default=None
        Weights of the classes, multiplied into sample_weight. 'balanced' is inversely
        proportional to the (weighted) frequency of each class. Not for label indicators. With
        class weights each mini-batch is divided by the mean weight of all rows, not of its own,
        so that they hold for any batch_size.
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
        or 'loss', which is minus the loss without penalties. None is the accuracy.
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
        their probabilities: an ensemble, most often the more accurate one [10]_.
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
    classes_ : ndarray of shape (n_classes,)
        Labels of the classes, sorted; the columns of probabilities are in this order.
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
    estimators_ : list of MLPClassifier
        Of `combine='mean'` the networks, but for those that diverged. What belongs to one
        network (`coefs_`, `history_`, `loss_curve_` and so on) is found there.
    feature_importances_ : ndarray of shape (n_features_in_,)
        How much the raw outputs follow each column: the mean size of their derivatives, in units of
        the column's standard deviation, over up to 2,000 training rows, fewer after short training.
        Deviations of sparse columns are those over 1,000 to 2,000 rows, if there are so many. Not
        negative, of sum 1 (zeros if no output follows any column). `SelectFromModel`, `RFE` and
        `RFECV` go by it.
    t_ : int
        Rows seen in training, over all epochs.
    n_layers_ : int
        Layers, input and output included.
    n_outputs_ : int
        Raw outputs of the network.
    out_activation_ : str
        Function of the raw outputs: 'softmax', 'logistic', or 'identity' for loss='hinge'.
    n_features_in_ : int
        Features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X had names that are all strings.

    See Also
    --------
    MLPRegressor : The same network for numbers.

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
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sknet import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((16,), solver="lbfgs", alpha=1.0, random_state=0)
    >>> net = make_pipeline(StandardScaler(), net).fit(X, y)
    >>> net.predict(X[:2])
    array([0, 0])
    >>> net.score(X, y) > 0.95
    True
    """

    _y_is_numeric = False

    _parameter_constraints: dict = {
        **BaseNetwork._parameter_constraints,
        "loss": [StrOptions(set(CLASSIFICATION_LOSSES)), Loss],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
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
        loss: ClassificationLossName | Loss = "log_loss",
        label_smoothing: float = 0.0,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
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
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
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

    # Targets in -----------------------------------------------------------------------------

    def _check_y(self, y, *, first, classes=None, complete=False):
        """y as a 1-d array of labels, or as a dense indicator matrix."""
        is_plain = isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "iu"
        kind = "multiclass" if is_plain else type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError(
                "y must have one column of labels or be a 0/1 indicator matrix, got "
                f"{y.shape[1]} columns with more than two values."
            )
        if kind == "multilabel-indicator":
            y = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
            present = np.arange(y.shape[1])
        elif kind in ("binary", "multiclass"):
            y = y if is_plain else column_or_1d(y, warn=True)
            present = distinct(y)
        else:
            check_classification_targets(y)  # raises, and says why
        if first:
            self.classes_ = present if classes is None else unique_labels(classes)
            self._multilabel = kind == "multilabel-indicator"
            if len(self.classes_) < 2:
                name = "y" if classes is None else "classes"
                raise ValueError(
                    f"{name} must have at least 2 classes among the rows of positive weight, got "
                    f"one class: {self.classes_[0]}."
                )
            if classes is None:
                return y
        elif not hasattr(self, "_multilabel"):  # weights were set by hand
            self._multilabel = kind == "multilabel-indicator"
        unknown = np.setdiff1d(present, self.classes_)
        if complete and set(present) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {present}"
            )
        if len(unknown):
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {present}."
            )
        if self._multilabel != (kind == "multilabel-indicator"):
            raise ValueError("y must be labels or a label indicator matrix as in the first fit.")
        return y

    def _encode(self, y):
        loss, smoothing = self._loss(), float(self.label_smoothing)
        if smoothing and not loss.takes_smoothing:
            raise ValueError(
                f"label_smoothing={self.label_smoothing} is for loss='log_loss' and "
                f"'squared_error', got loss={self.loss!r}."
            )
        if self._multilabel or len(self.classes_) == 2:
            yes = y if self._multilabel else encode(y, self.classes_)[:, None]
            targets = yes * (1 - smoothing) + smoothing / 2 if smoothing else yes
            return targets, yes.shape[1], (loss.of_labels, loss.options())
        codes, n_classes = encode(y, self.classes_)[:, None], len(self.classes_)
        if loss.is_one_hot:
            is_class = codes == np.arange(n_classes)
            targets = is_class * (1 - smoothing) + smoothing / n_classes if smoothing else is_class
            return targets, n_classes, (loss.of_classes, loss.options())
        options = loss.options() | ({"smoothing": smoothing} if smoothing else {})
        return codes, n_classes, (loss.of_classes, options)

    def _loss(self):
        loss = chosen(self.loss, CLASSIFICATION_LOSSES)
        if loss.of_labels is None:
            raise ValueError(
                f"loss must be one for classes: {', '.join(CLASSIFICATION_LOSSES)}; got {loss}."
            )
        return loss

    def _weights_of_y(self, y, sample_weight):
        """sample_weight times class_weight."""
        if self.class_weight is None:
            return sample_weight
        if self._multilabel:
            raise ValueError("class_weight must be None for a label indicator matrix y.")
        codes = encode(y, self.classes_)
        if self.class_weight == "balanced":
            counts = np.bincount(codes, sample_weight, minlength=len(self.classes_))
            weights = counts.sum() / (len(self.classes_) * np.maximum(counts, 1e-300))
        else:
            weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
            if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
                raise ValueError(
                    "class_weight must hold finite weights >= 0, not all zero, got "
                    f"{self.class_weight}."
                )
        return weights[codes] if sample_weight is None else weights[codes] * sample_weight

    def _mean_weight(self, sample_weight):
        """Class weights must compare across mini-batches, down to a batch_size of 1."""
        return 0.0 if self.class_weight is None else float(np.mean(sample_weight, dtype=float))

    def _stratify(self, y):
        if self._multilabel:
            return None
        codes = encode(y, self.classes_)
        if np.bincount(codes).min() > 1:
            return codes
        # There will be an error that names the classes: in scikit-learn's words.
        return (y == self.classes_[1])[:, None] if len(self.classes_) == 2 else y

    # Predictions out ------------------------------------------------------------------------

    def _raw(self, X):
        """Raw outputs; of an ensemble those whose probabilities are the mean of its members'."""
        self._check_fitted()
        if not self._is_ensemble:
            return self._predict(X)
        raw = self._predict_each(self._checked_rows(X))
        if self.out_activation_ == "identity":  # margins
            return raw.mean(axis=0)
        if self.out_activation_ == "softmax":
            return _log_mean(log_softmax(raw, axis=-1))
        if self._multilabel or self.n_outputs_ == 1:
            return _log_mean(log_expit(raw)) - _log_mean(log_expit(-raw))
        log_shares = _log_mean(self._log_shares(raw))
        rest = np.maximum(-np.expm1(log_shares), np.finfo(raw.dtype).tiny)
        return log_shares - np.log(rest)

    def _labels(self, raw):
        if self._multilabel:
            return (raw > 0).astype(int)
        if raw.shape[1] == 1:
            return self.classes_[(raw[:, 0] > 0).astype(int)]
        return self.classes_[raw.argmax(axis=1)]

    def _score_raw(self, raw, y, sample_weight):
        if not np.isfinite(raw).all():
            return float("nan")
        is_right = self._labels(raw) == y
        if self._multilabel:
            is_right = is_right.all(axis=1)
        return float(np.average(is_right, weights=sample_weight))

    def predict(self, X: MatrixLike) -> NDArray[Any]:
        """Predict the class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels, or 0/1 indicators.
        """
        self._check_fitted()
        if self._is_ensemble or self._multilabel:
            return self._labels(self._raw(X))
        numbers = self._predict(X, "largest")[:, 0]
        return self.classes_[numbers.astype(np.intp)]

    def decision_function(self, X: MatrixLike) -> NDArray[Any]:
        """Raw outputs of the network: the logits.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples,) for two classes, else (n_samples, n_outputs_)
            Above 0 means `classes_[1]`, or that the label is present.
        """
        raw = self._raw(X)
        return raw[:, 0] if raw.shape[1] == 1 and not self._multilabel else raw

    @when_available(lambda self: self._check_probabilities())
    def predict_proba(self, X: MatrixLike) -> NDArray[Any]:
        """Probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. Rows sum to 1, but for label indicators, where each
            column is the probability of its label, above 0 and below 1.
        """
        self._check_fitted()
        link = self._probability_link
        if link == "identity":
            return np.exp(self._log_shares(self._raw(X)))
        if self._is_ensemble:
            proba = self._predict_each(self._checked_rows(X), link).mean(axis=0)
        else:
            proba = self._predict(X, link)
        return self._below_one(proba) if self._multilabel else proba

    @property
    def _probability_link(self):
        """The core's link from raw outputs to probabilities; "identity" where it has none."""
        if self._multilabel:
            return "logistic"
        if self.n_outputs_ == 1:
            return "logistic_pair"
        return "softmax" if self.out_activation_ == "softmax" else "identity"

    @when_available(lambda self: self._check_probabilities())
    def predict_log_proba(self, X: MatrixLike) -> NDArray[Any]:
        """Logarithm of the probability of each class; finite wherever the logits are.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        raw = self._raw(X)
        if self.out_activation_ == "softmax":
            return log_softmax(raw, axis=1)
        if self._multilabel:  # near 1, the logarithm of what predict_proba says
            proba = _core.load(raw.dtype).elementary("logistic", raw.ravel()).reshape(raw.shape)
            return np.where(raw < 0, log_expit(raw), np.log(self._below_one(proba)))
        if raw.shape[1] == 1:
            return log_expit(np.hstack([-raw, raw]))
        return self._log_shares(raw)

    @when_available(lambda self: self._check_probabilities())
    def predict_samples(
        self,
        X: MatrixLike,
        n_samples: int = 100,
        *,
        random_state: int | np.random.RandomState | None = 0,
    ) -> NDArray[Any]:
        """Probabilities with units dropped at random, as in training: MC-dropout.

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
        samples : ndarray of shape (n_samples, n_rows, n_classes)
            Each of them as `predict_proba` would return it.

        Raises
        ------
        ValueError
            If X is not usable, or the network has neither `dropout` nor `input_dropout`.

        References
        ----------
        .. [1] Gal and Ghahramani, "Dropout as a Bayesian approximation", ICML 2016.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sknet import MLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> net = MLPClassifier((50,), dropout=0.1, max_iter=1000, random_state=0).fit(X, y)
        >>> net.predict_samples(X, 20).shape
        (20, 150, 3)
        """
        self._check_fitted()
        samples = self._sample(X, n_samples, random_state, self._probability_link)
        if self._probability_link == "identity":
            return np.exp(self._log_shares(samples))
        return self._below_one(samples) if self._multilabel else samples

    @staticmethod
    def _below_one(proba):
        return np.minimum(proba, np.nextafter(proba.dtype.type(1), 0), out=proba)

    @staticmethod
    def _log_shares(raw):
        """Logarithm of logistic outputs divided by their sum, for 'squared_error'."""
        log_outputs = log_expit(raw)
        return log_outputs - logsumexp(log_outputs, axis=-1, keepdims=True)

    def _check_probabilities(self):
        """Raises where the loss makes no probabilities."""
        loss = self.loss
        kind = CLASSIFICATION_LOSSES[loss] if isinstance(loss, str) else loss
        if not kind.has_probabilities:
            raise NotAvailableError(
                f"loss={loss!r} has margins, not probabilities; use decision_function, or "
                "loss='log_loss'."
            )

    @when_available(lambda self: self._check_partial_fit())
    @fitting
    def partial_fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """One epoch over these rows, going on from where training stands.

        100 calls with the same rows end with the bits of one fit of 100 epochs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), default=None
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come. Must be given at the first call.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If data are not usable, or labels are not among `classes`. The estimator is then as
            it was before the call.
        """
        if classes is not None:
            classes = unique_labels(classes)
            known = getattr(self, "classes_", None)
            if known is None:
                self.classes_ = classes
            elif not np.array_equal(known, classes):
                raise ValueError(f"`classes={classes}` is not the same as before: {known}")
        elif not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows, partial_fit sees a part of them; pass a "
                "dict of weights instead."
            )
        return self._fit(X, y, sample_weight, incremental=True, classes=self.classes_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _log_mean(logarithms):
    """Logarithm of the mean over the first axis of what these are the logarithms of."""
    return logsumexp(logarithms, axis=0) - np.log(logarithms.dtype.type(len(logarithms)))
