"""The one part of the build that pyproject.toml cannot say: an optional C extension.

Without a compiler the install succeeds all the same, and students answer by the reference path. Such a wheel
holds no machine code, so it is named as one for any machine. Under the other name pip would keep it, and
install it again after a compiler was installed.
"""

import os
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel

NATIVE = Path("native")
STABLE_ABI = not sysconfig.get_config_var("Py_GIL_DISABLED")  # free-threaded Pythons have none yet
# Standard C keeps a product and a sum apart; put together they are one instruction where a processor has it.
FAST = ["-O3", "-ffp-contract=fast"]
FLAGS = [] if sys.platform == "win32" else ["-std=c11", *FAST, "-g0", "-fvisibility=hidden", "-Wno-psabi"]
SANITIZE = os.environ.get("UNDERSTUDY_SANITIZE", "").split()


class Wheel(bdist_wheel):
    """A wheel that is named after what was built."""

    def run(self) -> None:
        """Build first, and forget an extension that could not be built before anything is named after it."""
        build_ext = self.reinitialize_command("build_ext")
        build_ext.inplace = False
        if not self.skip_build:
            self.run_command("build")
        if not all(map(os.path.isfile, self.get_finalized_command("build_ext").get_outputs())):
            self.distribution.ext_modules = []
            self.root_is_pure = True
        super().run()


setup(
    cmdclass={"bdist_wheel": Wheel},
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
