"""All benchmarks, one after another, each in an interpreter of its own.

    python -m benchmarks [--turns 5] [--save]

Keep the machine idle meanwhile: it takes some hours with all peers installed.
"""

import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    if {"-h", "--help"} & {*sys.argv}:
        sys.exit(print(__doc__))
    scripts = sorted(Path(__file__).parent.glob("bench_*.py"))
    failed = [
        script.name
        for script in scripts
        if subprocess.run([sys.executable, script, *sys.argv[1:]]).returncode
    ]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
