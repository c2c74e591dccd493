"""What this machine has and how fast it is: the questions a person asks before the first run, answered by measuring."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from typing import Any

from midtrain.core.artifact import library_versions

_OPTIONAL = {"accelerate": "the peer in benchmarks.train_vs_trainer"}


def examine() -> dict[str, Any]:
    """Versions, cores, memory, disk, accelerator and the measured GEMM peak."""
    import torch

    from midtrain.models.flops import gemm_peak

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return {
        "python": platform.python_version(),
        "libraries": library_versions(),
        "optional": {name: importlib.util.find_spec(name) is not None for name in _OPTIONAL},
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "disk_free_gb": round(shutil.disk_usage(".").free / 1e9, 1),
        "device": torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine(),
        "training_dtype": training_dtype(),
        "gemm_gflops": round(gemm_peak(device) / 1e9, 1),
    }


def training_dtype() -> str:
    """bfloat16 where the hardware multiplies it, float32 elsewhere (emulated bf16 is slower than float32)."""
    import torch

    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "float32"
