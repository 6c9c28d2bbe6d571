"""The one part of the build that pyproject.toml cannot say: an optional C extension.

Without a compiler the install succeeds all the same, and students answer by the reference path.
"""

import os
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("native")
STABLE_ABI = not sysconfig.get_config_var("Py_GIL_DISABLED")  # free-threaded Pythons have none yet
FLAGS = [] if sys.platform == "win32" else ["-std=c11", "-O3", "-g0", "-fvisibility=hidden", "-Wno-psabi"]
SANITIZE = os.environ.get("UNDERSTUDY_SANITIZE", "").split()

setup(
    ext_modules=[
        Extension(
            "understudy._fast",
            sources=sorted(str(path) for path in NATIVE.glob("*.c")),
            depends=sorted(str(path) for path in NATIVE.glob("*.h")),
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if STABLE_ABI else [],
            extra_compile_args=[*FLAGS, *SANITIZE],
            extra_link_args=SANITIZE,
            py_limited_api=STABLE_ABI,
            optional=not SANITIZE,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE_ABI else {},
)
