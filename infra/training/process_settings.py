"""Settings of the C library and of OpenMP that training on a shared CPU needs; read when a process starts.

A training step frees and takes gigabytes: by default a third of the time goes into page faults, because glibc returns
every large tensor to the system. And on a busy machine OpenMP's threads waste most of their share spinning while their
partner waits for a core. The program starts itself anew with both changed.
"""

from __future__ import annotations

import os
import sys

SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": "1000000000",
    "OMP_WAIT_POLICY": "PASSIVE",
}


def use_process_settings() -> None:
    """Replaces this process by itself with the settings in its environment, unless they are there."""
    if all(name in os.environ for name in SETTINGS):
        return
    os.execve(sys.executable, [sys.executable, *sys.argv], {**SETTINGS, **os.environ})
