"""show_versions(): what a bug report needs to say."""

import importlib.metadata
import platform
import sys

__all__ = ["show_versions"]


def show_versions() -> None:
    """Print the versions in use, the compiled variant, the CPU level and the number of threads."""
    from sknet import __version__, _core
    from sknet.threads import available_threads

    rows = {"sknet": __version__, "Python": sys.version.split()[0], "platform": platform.platform()}
    for name in ("numpy", "scipy", "scikit-learn", "joblib", "threadpoolctl", "Cython"):
        try:
            rows[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            rows[name] = "not installed"
    for dtype in ("float32", "float64"):
        rows[f"core {dtype}"] = _core.load(dtype).__name__
    rows["CPU level in use"] = _core.cpu_level()
    rows["CPU level of this machine"] = _core.best_cpu_level()
    rows["threads available"] = available_threads()
    for name, value in rows.items():
        print(f"{name:>26}: {value}")
