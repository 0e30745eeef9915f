"""Builds the compiled core once per dtype and CPU level; all metadata is in pyproject.toml.

SKNET_DEBUG=1 builds with bounds checks on memoryviews and with symbols, for debuggers.
"""

import copy
import os
import platform
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

X86 = platform.machine().lower() in ("x86_64", "amd64") and sys.maxsize > 2**32

# The whole mechanism: a package folder per variant, and what its compilation is given.
VARIANTS = {"baseline": []}
if X86 and sys.platform == "win32":
    VARIANTS |= {"x86_64_v3": ["/arch:AVX2"], "x86_64_v4": ["/arch:AVX512"]}
elif X86:
    VARIANTS["x86_64_v3"] = ["-mavx2", "-mfma", "-mbmi2"]
    VARIANTS["x86_64_v4"] = VARIANTS["x86_64_v3"] + [
        *(f"-mavx512{part}" for part in ("f", "bw", "cd", "dq", "vl")),
        "-mprefer-vector-width=512",
    ]

if sys.platform == "win32":
    FLAGS = ["/O2", "/std:c11", "/experimental:c11atomics"]
else:
    # -fno-math-errno lets sqrt vectorise. Never -ffast-math: it changes the rounding of
    # subnormal numbers in the whole process.
    FLAGS = ["-O3", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math"]
DIRECTIVES = {"language_level": "3"}
if os.environ.get("SKNET_DEBUG") == "1":
    FLAGS = FLAGS + ["-g", "-fno-omit-frame-pointer"]
    DIRECTIVES |= {"boundscheck": True, "initializedcheck": True}


class BuildVariants(build_ext):
    """Builds the variants side by side, in folders of their own: they share one C file."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extension(self, ext):
        one = copy.copy(self)
        one.build_temp = str(Path(self.build_temp) / ext.name)
        build_ext.build_extension(one, ext)

    def copy_extensions_to_source(self):
        for ext in self.extensions:
            Path(*ext.name.split(".")[:-1]).mkdir(exist_ok=True)
        super().copy_extensions_to_source()


def extensions():
    [core] = cythonize(
        [Extension("sknet._core.core", ["sknet/_core/core.pyx"])],
        compiler_directives=DIRECTIVES,
    )
    headers = [str(path) for path in Path("sknet/_core").glob("*.h")]
    return [
        Extension(
            f"sknet._core.float{bits}_{variant}.core",
            core.sources,
            include_dirs=["sknet/_core"],
            define_macros=[("SKNET_REAL_BITS", str(bits))],
            extra_compile_args=FLAGS + variant_flags,
            depends=headers,
        )
        for bits in (32, 64)
        for variant, variant_flags in VARIANTS.items()
    ]


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildVariants})
