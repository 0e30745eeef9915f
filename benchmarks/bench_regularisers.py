"""What does a regulariser cost, beside the plain fit?

    python benchmarks/bench_regularisers.py [--turns 5] [--save]

One epoch of 50000x100 through (256, 256, 256), float32, each option by itself.
"""

import numpy as np
from bench_training import WORKLOADS
from common import Report, in_turns, parser, ratio
from peers import make_sknet

WORKLOAD = WORKLOADS[2][0]
OPTIONS = [  # of the estimator, one at a time
    ("dropout", 0.2),
    ("normalization", "batch"),
    ("normalization", "layer"),
    ("averaging", "ema"),
    ("averaging", "swa"),
    ("input_dropout", 0.1),
    ("input_noise", 0.1),
    ("mixup", 0.2),
    ("label_smoothing", 0.1),
    ("l1", 0.001),
    ("weight_decay", 0.01),
    ("max_norm", 3.0),
    ("clip_norm", 1.0),
]
ASKED = {  # times the plain fit
    ("dropout", 0.2): 1.25,
    ("normalization", "batch"): 1.4,
    ("averaging", "ema"): 1.1,
    ("averaging", "swa"): 1.1,
}


def measure(options, turns, workload=WORKLOAD):
    """Seconds per fit, (1 + options, turns), the plain one first, in turns.

    In one process, for the reason that bench_threads.py gives.
    """
    plain_and_others = [{}, *({name: value} for name, value in options)]
    fits = [make_sknet(workload, "float32", None, given) for given in plain_and_others]
    return in_turns(fits, turns)


def main():
    arguments = parser(__doc__).parse_args()
    report = Report("bench_regularisers", [], arguments.save)
    report.say(f"{WORKLOAD}; float32, milliseconds per fit.\n")
    report.header("option", "ms", "beside the plain fit (asked)")
    plain, *others = measure(OPTIONS, arguments.turns)
    report.row("none", f"{np.median(plain) * 1e3:.0f}", "")
    for option, seconds in zip(OPTIONS, others, strict=True):
        name, value = option
        asked = f" ({ASKED[option]})" if option in ASKED else ""
        cost = ratio(seconds, plain)
        report.row(f"{name}={value!r}", f"{np.median(seconds) * 1e3:.0f}", f"{cost:.2f}{asked}")
    report.close()


if __name__ == "__main__":
    main()
