"""Headers compile without vector types, too, for compilers that have none, to the same products."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

HEADERS = Path(__file__).parents[2] / "sknet" / "_core"
PROGRAM = """
#include <stdio.h>
#include "panel.h"

/* Reads n, k, m, X (n, k), W (k, m), Z (n, m) and prints X W and X.T Z. */
static real_t X[10000], W[10000], Z[10000], panel[20000], out[10000];
static void read_numbers(ptrdiff_t n, real_t *x) {
    double value;
    for (ptrdiff_t i = 0; i < n; i++) x[i] = scanf("%lf", &value) == 1 ? value : 0;
}
static void print_numbers(ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++) printf("%.17g ", (double)out[i]);
}
int main(void) {
    int n, k, m;
    if (scanf("%d %d %d", &n, &k, &m) != 3) return 1;
    read_numbers(n * k, X);
    read_numbers(k * m, W);
    read_numbers(n * m, Z);
    for (int j = 0; j < m; j += PANEL) {
        const int columns = m - j < PANEL ? m - j : PANEL;
        pack_panel(k, columns, W + j, m, panel, NULL);
        product_by_rows(n, k, X, k, NULL, panel, NULL, out + j, m, columns, NULL);
    }
    print_numbers(n * m);
    for (int j = 0; j < m; j += PANEL) {
        const int columns = m - j < PANEL ? m - j : PANEL;
        pack_panel(n, columns, Z + j, m, panel, NULL);
        product_by_columns(k, n, X, k, NULL, panel, out + j, m, columns, NULL);
    }
    print_numbers(k * m);
    return 0;
}
"""


@pytest.mark.parametrize("vectors", [0, 1])
@pytest.mark.parametrize("bits", [32, 64])
def test_products(tmp_path, bits, vectors):
    compiler = shutil.which("cc")
    if compiler is None or not HEADERS.exists():
        pytest.skip("needs a C compiler and the sources")
    (tmp_path / "products.c").write_text(PROGRAM)
    program = tmp_path / "products"
    subprocess.run(
        [compiler, "-O1", "-w", f"-DSKNET_REAL_BITS={bits}", f"-DSKNET_VECTORS={vectors}",
         f"-I{HEADERS}", tmp_path / "products.c", "-o", program, "-lm"],
        check=True,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for n, k, m in ((29, 7, 3), (13, 33, 21)):
        X, W, Z = (rng.integers(-4, 5, shape) for shape in ((n, k), (k, m), (n, m)))
        numbers = np.concatenate([[n, k, m], X.ravel(), W.ravel(), Z.ravel()])
        out = subprocess.run(
            [program], input=" ".join(map(str, numbers)), capture_output=True, text=True, check=True
        ).stdout.split()
        expected = np.concatenate([(X @ W).ravel(), (X.T @ Z).ravel()])
        assert np.array_equal(np.array(out, float), expected)
