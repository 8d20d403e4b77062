"""Build of the compiled kernel; everything else is in pyproject.toml.

``FIRESALE_KERNEL_CHECKS=1`` compiles the kernel with bounds checks, for tests of the kernel itself.
"""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

checked = os.environ.get("FIRESALE_KERNEL_CHECKS") == "1"
directives = {
    "language_level": 3,
    "boundscheck": checked,
    "wraparound": False,
    "initializedcheck": checked,
    "cdivision": True,
    "nonecheck": False,
}
flags = ["-O3", "-g0"]

setup(
    ext_modules=cythonize(
        [
            Extension(f"sim.{name}", [f"sim/{name}.pyx"], extra_compile_args=flags)
            for name in ("_network_simplex", "_order_book", "_payments")
        ],
        compiler_directives=directives,
    )
)
