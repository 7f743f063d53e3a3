"""The processor of this machine, as far as speed depends on it; a figure of speed names it."""

import os
import platform
from pathlib import Path

# Flags of Linux, the best first, and whether XNNPACK has 8-bit products there that are much faster than float32's.
INSTRUCTIONS = {
    "avx512_vnni": ("AVX-512 with VNNI", True),
    "avx_vnni": ("AVX2 with VNNI", True),
    "avx512f": ("AVX-512", False),
    "avx2": ("AVX2", False),
    "i8mm": ("NEON with 8-bit matrix products", True),
    "asimddp": ("NEON with dot products", True),
    "asimd": ("NEON", False),
}


CPUINFO = Path("/proc/cpuinfo")


def instructions() -> tuple[str, bool] | tuple[None, None]:
    """The widest vector instructions, and whether 8-bit products are fast in them; None where Linux does not say."""
    flags = set(CPUINFO.read_text(encoding="utf-8", errors="replace").split()) if CPUINFO.is_file() else set()
    return next((found for flag, found in INSTRUCTIONS.items() if flag in flags), (None, None))


def machine() -> str:
    """Architecture, instructions and cores, as ``x86_64, AVX2, 2 cores``."""
    name, _ = instructions()
    return ", ".join(filter(None, (platform.machine(), name, f"{os.cpu_count()} cores")))
