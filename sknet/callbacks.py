"""scikit-learn's callbacks (sklearn.callback, from 1.9 on), and their absence before."""

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """No callbacks on this version of scikit-learn."""


__all__ = ["CallbackSupportMixin", "FitTasks", "leave_callbacks"]


def leave_callbacks(estimator):
    """Takes the callbacks off an estimator, and returns it."""
    for name in ("_skl_callbacks", "_skl_callbacks_to_teardown", "_parent_callback_ctx"):
        vars(estimator).pop(name, None)
    return estimator


class FitTasks:
    """Tells an estimator's callbacks of the fit and of what it consists of; without any, nothing.

    A fit consists of epochs, or of several starts, each of them of epochs. Within a search the fit
    is a task of the search's, which knows of it, callbacks or not.

    Parameters
    ----------
    estimator : estimator with CallbackSupportMixin
    rows : Rows
        The training data.
    n_parts : int
        Most epochs, or starts.
    are_parallel : bool
        Whether the parts are starts, which run side by side.
    context : sklearn's CallbackContext or None
        Of a start; the fit makes its own.

    Attributes
    ----------
    has_callbacks : bool
        Whether somebody wants to know of epochs.
    """

    def __init__(self, estimator, rows, n_parts, *, are_parallel=False, context=None):
        self.estimator = estimator
        self.rows = rows
        metadata = None if rows.weight is None else {"sample_weight": rows.weight}
        self.data = {"X": rows.X, "y": rows.y, "metadata": metadata}
        self.context = context
        if context is None and (
            hasattr(estimator, "_skl_callbacks") or hasattr(estimator, "_parent_callback_ctx")
        ):
            self.context = estimator._init_callback_context(
                max_subtasks=n_parts, sequential_subtasks=not are_parallel
            )
        if self.context is not None:
            self.context.call_on_fit_task_begin(estimator=estimator, **self.data)
        self.has_callbacks = bool(getattr(estimator, "_skl_callbacks", ()))

    def begin_start(self, estimator, number, n_epochs):
        """The tasks of one of several starts, which trains `estimator`."""
        context = None
        if self.context is not None:
            context = self.context.subcontext("start", task_id=number, max_subtasks=n_epochs)
        return FitTasks(estimator, self.rows, n_epochs, context=context)

    def begin_epoch(self):
        if self.has_callbacks:
            self.epoch = self.context.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def end_epoch(self, fitted_attributes):
        """Ends an epoch; returns whether a callback asks to stop.

        Parameters
        ----------
        fitted_attributes : callable() -> dict
            Copies of the attributes that make the estimator predict as of now; called only if a
            callback wants them.
        """
        return self.has_callbacks and self.epoch.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=fitted_attributes,
            **self.data,
        )

    def end(self):
        """Ends the fit or the start, the estimator being fitted."""
        if self.context is not None:
            self.context.call_on_fit_task_end(
                estimator=self.estimator, reconstruction_attributes=dict, **self.data
            )
