# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, nonecheck=False, freethreading_compatible=True
"""The compiled core: networks, losses, optimizers and the training epoch without the GIL.

This file is a table of contents. Each file below is pasted here by `include`, in dependency
order: a file uses only what stands above it. One C unit results, so that everything can be
inlined; it is compiled once per dtype and CPU level (see setup.py and real.h), each time into a
package folder of its own. It knows NumPy, and nothing of scikit-learn.

Conventions. Pointers inside, memoryviews at the border, arrays above it; the caller allocates.
Every cdef function is `noexcept nogil`: trouble travels as numbers, Python raises. Matrices are
row-major, rows are samples; the comment behind a pointer says its shape.
"""

import numpy as np

include "real.pxi"
include "gemm.pxi"
include "sums.pxi"
include "team.pxi"
include "finite.pxi"
include "random.pxi"
include "activations.pxi"
include "links.pxi"
include "losses.pxi"
include "optimizers.pxi"
include "layers/layer.pxi"
include "layers/dense.pxi"
include "layers/position_dense.pxi"
include "layers/activate.pxi"
include "layers/dropout.pxi"
include "layers/noise.pxi"
include "layers/norm.pxi"
include "layers/add.pxi"
include "data.pxi"
include "network.pxi"
include "projections.pxi"
include "scheme.pxi"
include "trainee.pxi"
include "mixup.pxi"
include "data_parallel.pxi"
include "shards.pxi"
include "tensor_parallel.pxi"
include "trial.pxi"
include "trainer.pxi"
include "passage.pxi"
include "predictor.pxi"
include "gradients.pxi"
include "silent_units.pxi"
