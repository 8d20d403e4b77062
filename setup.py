"""Build of the compiled kernel; everything else is in pyproject.toml.

``FIRESALE_KERNEL_CHECKS=1`` compiles the kernel with bounds checks, for tests of the kernel itself;
``FIRESALE_SANITIZE=1`` with the address and undefined-behaviour sanitizers (``make sanitize``).
"""

import os
from glob import glob

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
flags, link = ["-O3", "-g0"], []
if os.environ.get("FIRESALE_SANITIZE") == "1":
    link = ["-fsanitize=address,undefined"]
    flags = ["-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined", *link]

setup(
    ext_modules=cythonize(
        [
            Extension(
                path.removesuffix(".pyx").replace("/", "."),
                [path],
                extra_compile_args=flags,
                extra_link_args=link,
            )
            for path in sorted(glob("sim/*/_*.pyx"))
        ],
        compiler_directives=directives,
    )
)
