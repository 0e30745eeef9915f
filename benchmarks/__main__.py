"""All benchmarks, one after another, each in an interpreter of its own.

    python -m benchmarks [--turns 5] [--save] [--only training shapes ...]

Keep the machine idle meanwhile: all take some hours with all peers installed.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main():
    sys.path.insert(0, str(HERE))
    from common import parser

    scripts = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    command = parser(__doc__)
    command.add_argument(
        "--only", nargs="+", choices=scripts, default=list(scripts), metavar="NAME",
        help=f"these of {', '.join(scripts)}, in this order",
    )  # fmt: skip
    arguments = command.parse_args()
    options = ["--turns", str(arguments.turns), *["--save"] * arguments.save]
    failed = [
        name
        for name in arguments.only
        if subprocess.run([sys.executable, scripts[name], *options]).returncode
    ]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
