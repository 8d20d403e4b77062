"""Numbers that do not depend on the machine: no threads in linear algebra, no code above AVX2 in NumPy.

NumPy's exp, log and power differ in the last bit between AVX2 and AVX-512. Its level can only be chosen before it is imported,
so it is chosen in the environment: the command sets its own before it imports NumPy, and a pool sets that of its workers.
"""

import functools
import os
import platform
import subprocess
import sys

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
DISABLED_FEATURES = "NPY_DISABLE_CPU_FEATURES"
ASK_NUMPY = "from numpy._core import _multiarray_umath as core; print(*core.__cpu_dispatch__)"
# Dispatch targets above AVX2, whatever a NumPy release calls them.
ABOVE_AVX2 = ("AVX512", "X86_V4", "AVX10")


def steady_environment() -> None:
    """Set the environment of this process, and of all it starts; without effect on a NumPy that is already imported."""
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))
    already = os.environ.get(DISABLED_FEATURES, "").replace(",", " ").split()
    if above := _above_avx2():
        os.environ[DISABLED_FEATURES] = " ".join(dict.fromkeys([*already, *above]))


@functools.cache
def _above_avx2() -> tuple[str, ...]:
    """Features above AVX2 that this NumPy chooses between; naming another would be a warning, so a process asks it."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i686"):
        return ()
    asked = subprocess.run([sys.executable, "-c", ASK_NUMPY], capture_output=True, text=True, check=False)
    return tuple(name for name in asked.stdout.split() if name.startswith(ABOVE_AVX2))
