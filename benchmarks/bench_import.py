"""What does `import sknet` cost on top of the parts of scikit-learn that it needs anyway?

    python benchmarks/bench_import.py [--turns 15] [--save]

Each turn starts a new interpreter, which times the import itself. Modules have been compiled to
bytecode before, as those of every installed package are.
"""

import os
import subprocess
import sys

import numpy as np
from common import Report, parser

SCRIPT = """
import time
import sklearn.base, sklearn.utils
begin = time.perf_counter()
import {module}
print(time.perf_counter() - begin)
"""


def seconds(module):
    script = SCRIPT.format(module=module)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    return float(subprocess.check_output([sys.executable, "-P", "-c", script], env=environment))


def main():
    arguments = parser(__doc__)
    arguments.set_defaults(turns=15)
    arguments = arguments.parse_args()
    report = Report("bench_import", [], arguments.save)
    report.say("Milliseconds on top of `import sklearn.base, sklearn.utils`.\n")
    report.header("import", "median", "asked")
    modules = {"sknet": "at most 60", "sklearn.neural_network": ""}
    times = {module: [] for module in modules}
    for module in modules:
        seconds(module)  # writes the bytecode; files into the system's cache
    for _ in range(arguments.turns):
        for module in modules:
            times[module].append(seconds(module))
    for module, asked in modules.items():
        report.row(module, f"{np.median(times[module]) * 1e3:.0f}", asked)
    report.close()


if __name__ == "__main__":
    main()
