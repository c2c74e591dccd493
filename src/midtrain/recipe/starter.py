"""The recipe that `midtrain init` writes: short, commented, ready to plan."""

from __future__ import annotations

from pathlib import Path

from midtrain.core.artifact import write_atomically
from midtrain.core.errors import UserError

_STARTER = """\
# A mid-training recipe. See what it will do and cost: midtrain plan {file}
name: {name}
description: Anneal toward the target data while replaying the old, and compare with the parent and the old mix.
base: {base}
seeds: [0, 1, 2]

sources:
  old:                       # what the base was trained on, for replay and for the control
    read: python://docstrings
    limit: {{bytes: 4M}}
  target:                    # what the model should become good at: files, a folder, a glob, python://...
    read: python://sources
    limit: {{bytes: 4M}}

stages:
  anneal:
    tokens: 500k
    context: 512
    batch_tokens: 8192
    mixture:
      curve: linear
      points:
        - {{at: 0.0, weights: {{old: 0.7, target: 0.3}}}}
        - {{at: 1.0, weights: {{old: 0.3, target: 0.7}}}}
    schedule: {{peak: inherit, decay: {{shape: linear}}}}

control:
  weights: {{old: 1.0}}

evaluation:
  bits_per_byte: {{sources: all}}

guard:
  budgets: {{bpb/old: 0.02}}

target:
  capability: bpb/target
"""


def write_starter(path: Path, base: str) -> str:
    """Write the starter recipe to `path` (never over an existing file); returns a sentence."""
    if path.exists():
        raise UserError(f"{path} exists already; name another file.")
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent}; make it first.")
    name = "".join(c if c.isalnum() or c in "._-" else "-" for c in path.stem).strip("._-") or "recipe"
    write_atomically(path, _STARTER.format(name=name, base=base, file=path))
    return f"Wrote {path}. Next: midtrain plan {path}"
