"""Where a zip is to run: on AWS or on this machine. Both come from one lock, requirements.txt with constraints.txt."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from scripts.packaging.chalice_output import PYTHON_VERSION

MACHINE = "aarch64"  # arm64, a fifth cheaper than x86-64
NEWEST_GLIBC = 34  # 2.34, of Amazon Linux 2023, on which Lambda's Python 3.12 and later run
OLDEST_GLIBC = 17  # 2.17, the oldest that wheels are built for


@dataclass(frozen=True, slots=True)
class Target:
    """``pip_options`` choose the wheels; ``markers`` are what a requirement's ``; python_version < "3.13"`` means."""

    name: str
    pip_options: tuple[str, ...]
    markers: Mapping[str, str]


def aws() -> Target:
    """Lambda's runtime. pip is told of it, since it runs on another Python."""
    platforms = [f"manylinux_2_{minor}_{MACHINE}" for minor in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)]
    chosen = [option for name in (*platforms, f"manylinux2014_{MACHINE}") for option in ("--platform", name)]
    return Target(
        "aws",
        (*chosen, "--python-version", PYTHON_VERSION, "--implementation", "cp"),
        {"python_version": PYTHON_VERSION, "python_full_version": f"{PYTHON_VERSION}.0", "platform_machine": MACHINE},
    )


def local() -> Target:
    """This machine and the Python that runs this: what the AWS emulator starts functions with."""
    version = platform.python_version_tuple()
    return Target(
        "local",
        (),
        {
            "python_version": ".".join(version[:2]),
            "python_full_version": platform.python_version(),
            "platform_machine": platform.machine(),
        },
    )


def fingerprint(target: Target) -> str:
    """Tells wheels of one target from those of another, in the name of the folder that keeps them."""
    if target.pip_options:
        return f"{target.name}-{PYTHON_VERSION}-{MACHINE}"
    return f"{target.name}-{sys.version_info.major}.{sys.version_info.minor}-{platform.machine()}"


TARGETS = {"aws": aws, "local": local}
