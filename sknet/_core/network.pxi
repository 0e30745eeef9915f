# The network: layers as a straight-line program over slots.

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.ref cimport PyObject

ctypedef struct Step:
    PyObject* layer
    int n_inputs
    Py_ssize_t slots[MAX_INPUTS]       # it reads; it writes the slot of its own number plus 1
    bint adds_gradient[MAX_INPUTS]     # whether a later reader of the slot has written dX already
    bint backward                      # whether the gradient goes on from here
    Py_ssize_t params, state, shared, block_state  # where this layer's part of each array begins


ctypedef struct Workspace:
    # Where one worker finds everything while it passes rows through the network.
    Py_ssize_t n             # rows
    Batching batching
    uint64_t key             # for random numbers: of this mini-batch
    const real_t* W          # (n_params)
    const real_t* state      # (n_state)
    const real_t* shared     # (n_shared), or NULL to predict few rows
    real_t* next_shared      # (n_shared) for the next mini-batch; may be the same place
    Py_ssize_t own_begin, own_end  # parameters whose part of it is this worker's, if it is another
    const real_t* X          # (n, n_in)
    const SparseMatrix* sparse  # instead of X, or NULL
    const Py_ssize_t* numbers   # (n) which rows of sparse or X are meant; NULL: the first n
    const real_t* weight     # (n) or NULL
    ahead_t* ahead           # what is fetched during the products, or NULL
    real_t** Y               # per step: (n, n_out)
    real_t** dY              # per step: (n, n_out)
    real_t** cache           # per step: (n, n_cache)
    real_t* dX               # (n, n_in) OUT, or NULL
    real_t* block_state      # (n_blocks, n_block_state)
    real_t** block_params    # per step: (n_blocks, n_params), or NULL where it sums by tiles
    real_t* scratch          # this worker's own
    const bint* trained      # (n_steps) whether parameters of the step want gradients, or NULL: none
    Py_ssize_t first_step    # to which gradients go back


cdef class Network:
    """Layers in sequence, or any program in which step i reads earlier slots and writes slot i + 1.

    Parameters
    ----------
    layers : list of Layer
    inputs : list of tuples of int, or None for a chain
        The slots each step reads; slot 0 is X.
    input_gradient : bool
        Whether backward goes on to dX of slot 0.
    """

    cdef readonly list layers
    cdef readonly list inputs
    cdef readonly Py_ssize_t n_steps, n_in, n_out, n_params, n_state, n_shared
    cdef readonly Py_ssize_t n_block_state
    cdef readonly Py_ssize_t max_tile, n_tile_scratch, n_scratch, n_added
    cdef readonly Py_ssize_t n_columns, n_slots  # numbers per row of all slots; and of caches too
    cdef readonly Py_ssize_t n_weights  # multiply-adds of a row through dense layers
    cdef readonly bint takes_sparse, input_gradient
    cdef Step* steps
    cdef object tile_table

    def __cinit__(self, list layers, inputs=None, bint input_gradient=False):
        cdef Py_ssize_t i, slot
        cdef int which
        cdef Step* step
        cdef Layer layer
        if not layers:
            raise ValueError("layers must not be empty")
        self.layers = layers
        self.inputs = [(i,) for i in range(len(layers))] if inputs is None else list(inputs)
        if len(self.inputs) != len(layers):
            raise ValueError(f"inputs must have {len(layers)} elements, got {len(self.inputs)}")
        self.n_steps = len(layers)
        self.input_gradient = input_gradient
        self.steps = <Step*> PyMem_Calloc(self.n_steps, sizeof(Step))
        if self.steps == NULL:
            raise MemoryError
        self.n_in = (<Layer> layers[0]).n_in
        widths = [self.n_in]
        self.takes_sparse = True
        for i in range(self.n_steps):
            layer = layers[i]
            step = self.steps + i
            step.layer = <PyObject*> layer
            step.n_inputs = len(self.inputs[i])
            if step.n_inputs != layer.n_inputs:
                raise ValueError(f"step {i} must read {layer.n_inputs} slots, got {self.inputs[i]}")
            for which, slot in enumerate(self.inputs[i]):
                if not 0 <= slot <= i:
                    raise ValueError(f"step {i} reads slot {slot}, which is not written before it")
                if widths[slot] != layer.n_in:
                    raise ValueError(
                        f"step {i} expects {layer.n_in} columns, slot {slot} has {widths[slot]}"
                    )
                step.slots[which] = slot
                if slot == 0 and not layer.takes_sparse:
                    self.takes_sparse = False
            widths.append(layer.n_out)
            self.n_columns += layer.n_out
            self.n_slots += layer.n_out + layer.n_cache
            step.params, step.state, step.shared = self.n_params, self.n_state, self.n_shared
            step.block_state = self.n_block_state
            self.n_params += layer.n_params
            self.n_weights += layer.n_weights
            self.n_state += layer.n_state
            self.n_shared += layer.n_shared
            self.n_block_state += layer.n_block_state
            self.max_tile = max(self.max_tile, min(layer.tile_size, layer.n_params))
            self.n_tile_scratch = max(self.n_tile_scratch, layer.n_tile_scratch)
            self.n_scratch = max(self.n_scratch, layer.n_scratch)
        self.n_out = widths[self.n_steps]
        unread = set(range(self.n_steps)) - {slot for slots in self.inputs for slot in slots}
        if unread:
            raise ValueError(f"nothing reads slots {sorted(unread)}")
        written = set()
        for i in range(self.n_steps - 1, -1, -1):
            step = self.steps + i
            for which in range(step.n_inputs):
                slot = step.slots[which]
                step.adds_gradient[which] = slot in written
                step.backward = step.backward or slot > 0 or input_gradient
                if slot in written:
                    self.n_added = max(self.n_added, widths[slot])
                written.add(slot)

    def __dealloc__(self):
        PyMem_Free(self.steps)

    cdef bint reads_in_place(self, Batching batching):
        """Whether all layers that read slot 0 take rows of the training data where they stand."""
        cdef Py_ssize_t i
        for i in range(self.n_steps):
            if 0 in self.inputs[i] and not (<Layer> self.layers[i]).reads_in_place(batching):
                return False
        return True

    def param_slices(self):
        """Per layer the slice of the flat parameters that is its own."""
        return [
            slice(self.steps[i].params, self.steps[i].params + (<Layer> self.layers[i]).n_params)
            for i in range(self.n_steps)
        ]

    def initial_state(self):
        """The running statistics before training, (n_state,)."""
        states = [(<Layer> layer).initial_state() for layer in self.layers]
        return np.concatenate(states) if states else np.zeros(0, DTYPE)

    def tiles(self):
        """All tiles as an int array of (step, begin, end), in the order of the parameters."""
        if self.tile_table is not None:
            return self.tile_table
        tiles = []
        for i, layer in enumerate(self.layers):
            size = (<Layer> layer).tile_size
            n_params = (<Layer> layer).n_params
            tiles += [(i, begin, min(begin + size, n_params)) for begin in range(0, n_params, size)]
        self.tile_table = np.array(tiles, np.intp).reshape(-1, 3)
        return self.tile_table

    cdef void view(
        self, Py_ssize_t i, Workspace* ws, Py_ssize_t first, Py_ssize_t n, Rows* rows
    ) noexcept nogil:
        """Rows first..first + n of the workspace as step i sees them."""
        cdef Step* step = self.steps + i
        cdef Py_ssize_t n_in = (<Layer> step.layer).n_in, n_out = (<Layer> step.layer).n_out, slot
        cdef int which
        rows.n = n
        rows.first = first
        rows.batching = ws.batching
        rows.key = mix_key(ws.key, i)
        rows.W = ws.W + step.params
        rows.state = ws.state + step.state
        rows.shared = NULL
        if ws.shared != NULL:
            rows.shared = ws.shared + step.shared
            rows.next_shared = ws.next_shared + step.shared
        rows.own_begin = ws.own_begin - step.params
        rows.own_end = ws.own_end - step.params
        rows.sparse = NULL
        rows.numbers = NULL
        for which in range(step.n_inputs):
            slot = step.slots[which]
            if slot > 0:
                rows.X[which] = ws.Y[slot - 1] + first * n_in
            elif ws.numbers == NULL:
                rows.X[which] = ws.X + first * n_in
            else:
                rows.X[which] = ws.X
                rows.sparse = ws.sparse
                rows.numbers = ws.numbers + first
        rows.Y = ws.Y[i] + first * n_out
        rows.cache = ws.cache[i] + first * (<Layer> step.layer).n_cache
        rows.scratch = ws.scratch
        rows.ahead = ws.ahead
        rows.backward = step.backward
        rows.weight = ws.weight
        if rows.weight != NULL:
            rows.weight += first

    cdef void forward(self, Workspace* ws, Py_ssize_t first, Py_ssize_t n, Py_ssize_t block) noexcept nogil:
        """Rows first..first + n (block number `block`) through all steps, in training."""
        cdef Py_ssize_t i
        cdef Rows rows
        for i in range(self.n_steps):
            self.view(i, ws, first, n, &rows)
            rows.block_state = (
                ws.block_state + block * self.n_block_state + self.steps[i].block_state
            )
            (<Layer> self.steps[i].layer).forward(&rows)

    cdef void predict(self, Workspace* ws, Py_ssize_t n, bint samples) noexcept nogil:
        """Rows 0..n through all steps, after training; `samples` says that units are dropped."""
        cdef Py_ssize_t i
        cdef Rows rows
        for i in range(self.n_steps):
            self.view(i, ws, 0, n, &rows)
            if samples:
                (<Layer> self.steps[i].layer).sample(&rows)
            else:
                (<Layer> self.steps[i].layer).predict(&rows)

    cdef void backward(self, Workspace* ws, Py_ssize_t first, Py_ssize_t n, Py_ssize_t block) noexcept nogil:
        """Gradients of rows first..first + n, from dY of the last step down."""
        cdef Py_ssize_t i, k, slot
        cdef int which
        cdef Rows rows
        cdef Step* step
        cdef real_t* total
        cdef real_t* added = ws.scratch + n * self.n_scratch
        for i in range(self.n_steps - 1, ws.first_step - 1, -1):
            step = self.steps + i
            self.view(i, ws, first, n, &rows)
            rows.block_state = ws.block_state + block * self.n_block_state + step.block_state
            rows.dY = ws.dY[i] + first * (<Layer> step.layer).n_out
            for which in range(step.n_inputs):
                rows.dX[which] = self.slot_gradient(ws, step.slots[which], first)
                if i == ws.first_step and ws.dX == NULL:
                    rows.dX[which] = NULL
                if rows.dX[which] != NULL and step.adds_gradient[which]:
                    rows.dX[which] = added + which * n * self.n_added
            (<Layer> step.layer).backward_input(&rows)
            for which in range(step.n_inputs):
                if rows.dX[which] != NULL and step.adds_gradient[which]:
                    total = self.slot_gradient(ws, step.slots[which], first)
                    for k in range(n * (<Layer> step.layer).n_in):
                        total[k] += rows.dX[which][k]
            if ws.trained == NULL or not ws.trained[i]:
                continue
            self.weigh(i, ws, &rows)
            if ws.block_params[i] != NULL:
                (<Layer> step.layer).accumulate_params(
                    &rows, ws.block_params[i] + block * (<Layer> step.layer).n_params
                )
            else:
                (<Layer> step.layer).prepare_rows(&rows)

    cdef void backward_columns(
        self, Workspace* ws, Py_ssize_t n_columns, const Py_ssize_t* columns, real_t* packed,
        real_t* dX,
    ) noexcept nogil:
        """dX (n_columns, ws.n) = gradients with respect to these columns of sparse X, after backward()."""
        cdef Py_ssize_t i, k
        cdef bint adds = False
        cdef Rows rows
        cdef real_t* added = ws.scratch + ws.n * self.n_scratch
        for i in range(self.n_steps):
            if self.steps[i].slots[0] > 0:
                continue
            self.view(i, ws, 0, ws.n, &rows)
            rows.dY = ws.dY[i]
            (<Layer> self.steps[i].layer).backward_columns(
                &rows, n_columns, columns, packed, added if adds else dX
            )
            if adds:
                for k in range(n_columns * ws.n):
                    dX[k] += added[k]
            adds = True

    cdef inline real_t* slot_gradient(self, Workspace* ws, Py_ssize_t slot, Py_ssize_t first) noexcept nogil:
        """Where the gradient of a slot's rows goes; NULL where nobody wants it."""
        if slot == 0:
            return NULL if ws.dX == NULL else ws.dX + first * self.n_in
        return ws.dY[slot - 1] + first * (<Layer> self.steps[slot - 1].layer).n_out

    cdef inline void weigh(self, Py_ssize_t i, Workspace* ws, Rows* rows) noexcept nogil:
        """dY times the row weights, for layers that do not weigh rows themselves."""
        cdef Py_ssize_t r, j, m = (<Layer> self.steps[i].layer).n_out
        if ws.weight == NULL or (<Layer> self.steps[i].layer).n_params == 0:
            return
        if (<Layer> self.steps[i].layer).weighs_rows(ws.batching):
            return
        for r in range(rows.n):
            for j in range(m):
                rows.dY[r * m + j] *= rows.weight[r]


LAYERS = {
    "Dense": Dense,
    "PositionDense": PositionDense,
    "Activate": Activate,
    "Dropout": Dropout,
    "Noise": Noise,
    "LayerNorm": LayerNorm,
    "BatchNorm": BatchNorm,
    "Add": Add,
}
