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
flags = ["-O2", "-g0"]

setup(
    ext_modules=cythonize(
        [Extension("sim._network_simplex", ["sim/_network_simplex.pyx"], extra_compile_args=flags)],
        compiler_directives=directives,
    )
)
