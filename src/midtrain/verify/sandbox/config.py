"""How much a program may use, and whether it may run where it cannot be isolated."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from midtrain.core.config import Config, Size


class Limits(Config):
    """What one program may use; the defaults are those of the usual code benchmarks, with room for a loaded machine."""

    seconds: float = Field(default=10.0, gt=0)
    """Seconds on the clock, from its start until it is killed."""
    cpu: float = Field(default=10.0, gt=0)
    """Seconds of processor time, rounded up to whole ones."""
    memory: Annotated[Size, Field(ge=64_000_000)] = 512_000_000
    """Bytes of address space of each of its processes (it has one, unless `children`)."""
    disk: Annotated[Size, Field(ge=4096)] = 16_000_000
    """Bytes of its private folder, which lies in memory, and of any one file."""
    output: Annotated[Size, Field(ge=1)] = 1_000_000
    """Bytes of standard output and error together, and of any one returned value; more ends the program."""
    descriptors: int = Field(default=64, ge=16)
    """Files and pipes open at once."""
    tasks: int = Field(default=32, ge=1)
    """Threads and processes at once."""
    children: bool = False
    """Whether it may start other processes; each of them may then use `memory`."""


class SandboxConfig(Config):
    """What a person decides about running programs that models wrote."""

    allow_unsafe: bool = False
    """Run programs even where files, network and processes cannot be isolated; only for programs you have read."""
