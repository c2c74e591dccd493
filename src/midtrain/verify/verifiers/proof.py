"""Proofs checked by a proof assistant, where its binary is on the PATH: Lean 4 (`lean`, or `lake` in a project) or Coq.

    arguments.system      "lean" or "coq"
    arguments.statement   "theorem t (a b : Nat) : a + b = b + a" (Lean), "Theorem t : forall a, a + 0 = a." (Coq)
    arguments.preamble    what stands before it: imports, definitions
    arguments.project     a Lean project's folder, in which `lake env lean` runs, for statements that need Mathlib
    answer                the proof alone: what follows ":=" (Lean), or the tactics between "Proof." and "Qed." (Coq)

The statement is written by us, so it cannot be weakened, and the proof may hold no word that admits something unproven,
declares anything, or runs a program while it is checked (elaborators can); after it the assistant itself is asked which
axioms the theorem rests on, under a name the proof cannot know, and only the usual ones are allowed. The assistant runs
confined (sandbox/confine.py): what a forbidden word would have done that is not on the list stays within.

A proof is wrong only if the same statement without a proof is accepted: a missing library, a statement that does not
parse and an assistant that does not run are ours.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from midtrain.core.errors import UserError
from midtrain.verify.sandbox.confine import BROKEN, ISOLATION, confined, watched
from midtrain.verify.sandbox.levels import unsafe_allowed
from midtrain.verify.sandbox.probe import probe, reasons_of
from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.latex import NoAnswer
from midtrain.verify.verifiers.protocol import Judgement

_SECONDS, _MEMORY, _LONGEST = 60.0, 16 << 30, 50_000  # Mathlib maps about 6 GB
_NO_PROOF = "not a proof"
_UNPROVEN = {
    "lean": ("sorry", "admit", "sorryAx", "axiom", "native_decide", "stop"),
    "coq": ("admit", "Admitted", "give_up", "Axiom", "Parameter", "Conjecture", "Hypothesis", "Variable", "Variables"),
}
_COMMANDS = {
    "lean": """
        theorem lemma def abbrev example instance class structure inductive opaque constant unsafe partial extern
        implemented_by csimp macro macro_rules syntax notation infix infixl infixr prefix postfix elab elab_rules
        run_cmd run_tac run_elab run_meta initialize builtin_initialize by_elab eval import namespace section end
        open export attribute set_option universe variable mutual deriving include omit private protected
        noncomputable simproc declare_syntax_cat register_option IO Lean termination_by decreasing_by
    """,
    "coq": """
        Qed Defined Save Abort Proof Theorem Lemma Definition Fixpoint Inductive Notation Ltac Ltac2 Require Import
        Export Load Redirect Extraction Cd Drop Declare Add Set Unset Goal Module Section End Instance Class Record
        Print Eval Compute From Hint Opaque Transparent Arguments Coercion Canonical Program Obligation Local Global
        Context Let Example Remark Fact Corollary Proposition Primitive Register Fail Succeed Time Timeout Reset
        Undo Restart Back Show Check About Search
    """,
}
_USUAL_AXIOMS = {"lean": {"propext", "Classical.choice", "Quot.sound"}, "coq": set[str]()}
_FENCED = re.compile(r"```[a-z0-9]*[ \t]*\n(.*?)\n[ \t]*```", re.DOTALL)


def proof(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """Whether the proof assistant accepts the proof.

    Raises UserError when its binary is not on the PATH or cannot be confined here.
    """
    system = arguments["system"]
    if system not in _COMMANDS:
        raise ValueError(f'the proof assistants are "lean" and "coq", not {system!r}')
    command = _command(system, arguments.get("project"))
    isolation = _isolation()
    try:
        text = _body(answer, system)
    except NoAnswer as error:
        return Judgement(error.outcome, error.cause)
    nonce = f"checked_{secrets.token_hex(8)}"
    stated = _Statement(system, arguments["statement"].strip(), arguments.get("preamble", ""), arguments.get("project"))
    status, output = _checked(command, stated, stated.source(text, nonce))
    if status is None:
        return Judgement(Outcome.TIMEOUT, "wall time", isolation=isolation)
    outcome, cause = _read(system, status, output, nonce)
    details = {}
    if cause == _NO_PROOF and (complaint := _complaint(tuple(command), stated)) is not None:
        outcome, cause = Outcome.INFRA_ERROR, f"{system} does not accept the statement itself"
        details = {"said": complaint}
    return Judgement(outcome, cause, details, isolation)


def _isolation() -> str:
    """How the assistant will be kept from doing harm; UserError where it cannot be, unless a person allowed that."""
    found = probe()
    if found.namespaces and found.landlock:
        return ISOLATION
    if unsafe_allowed():
        return "limits only"
    raise UserError(
        f"A proof assistant cannot be confined on this machine ({reasons_of(found, ['namespaces', 'landlock'])}), so "
        "none is run; run on Linux 5.13 or newer with user namespaces, or set allow_unsafe for proofs you have read."
    )


@dataclass(frozen=True)
class _Statement:
    """What is to be proven, and in what."""

    system: str
    text: str
    preamble: str
    project: str | None

    def source(self, proof: str, nonce: str) -> str:
        """The file that states it, proves it and then asks, under a name no proof can know, what the proof rests on."""
        name = re.match(r"\w+\s+([\w.']+)", self.text)
        if name is None:
            raise ValueError(f"the statement {self.text[:100]!r} has no name")
        if self.system == "lean":
            body = proof if proof.startswith("by") else f"by\n{proof}"
            body = "\n".join(f"  {line}" for line in body.splitlines())
            return f'{self.preamble}\n{self.text} :=\n{body}\n\n#eval "{nonce}"\n#print axioms {name[1]}\n'
        asked = f"Definition {nonce} := tt.\nPrint {nonce}.\nPrint Assumptions {name[1]}.\n"
        end = "" if proof == "Admitted." else "Qed.\n"
        return f"{self.preamble}\n{self.text}\nProof.\n{proof}\n{end}{asked}"


@lru_cache(maxsize=1024)
def _complaint(command: tuple[str, ...], stated: _Statement) -> str | None:
    """What the assistant says against the statement with its proof left out: then it is not the proof that is wrong."""
    left_out = {"lean": "by sorry", "coq": "Admitted."}[stated.system]
    status, output = _checked(command, stated, stated.source(left_out, "checked_nothing"))
    return None if status == 0 and not re.search(r"\berror:", output) else output[:500]


def _checked(command: Sequence[str], stated: _Statement, source: str) -> tuple[int | None, str]:
    """Run the assistant on a file: (exit code, or None at its limit; what it printed)."""
    landlock = probe().landlock if _isolation() == ISOLATION else 0
    with tempfile.TemporaryDirectory(prefix="midtrain-proof-") as folder:
        file = Path(folder) / ("Main.lean" if stated.system == "lean" else "Main.v")
        file.write_text(source, encoding="utf-8")
        readable = _readable(command[0], stated.project)
        whole = confined([*command, str(file)], landlock, readable, folder, _MEMORY)
        environment = {name: os.environ[name] for name in ("PATH", "ELAN_HOME", "HOME") if name in os.environ}
        status, output = watched(whole, stated.project or folder, f"{folder}/output", environment, _SECONDS)
    return status, output


def _readable(binary: str, project: str | None) -> list[str]:
    """The folders an assistant needs: its own, with the libraries beside it, its toolchains, the project."""
    folders = [os.path.dirname(binary), os.path.dirname(os.path.realpath(binary))]
    folders += [os.path.dirname(folder) for folder in folders if os.path.isdir(f"{os.path.dirname(folder)}/lib")]
    folders.append(os.environ.get("ELAN_HOME", os.path.expanduser("~/.elan")))
    return [*folders, *([os.path.realpath(project)] if project else [])]


def _command(system: str, project: str | None) -> list[str]:
    name = ("lake" if project else "lean") if system == "lean" else "coqc"
    binary = shutil.which(name)
    if binary is None:
        raise UserError(
            f"Checking this proof needs {name}, and there is none on the PATH; install it or add its folder."
        )
    return [binary, "env", "lean"] if name == "lake" else [binary]


def _body(answer: str, system: str) -> str:
    """The proof in an answer: its only code block, or all of it. Raises NoAnswer for a forbidden word."""
    blocks = _FENCED.findall(answer)
    if len(blocks) > 1:
        raise NoAnswer("several proofs")
    text = (blocks[0] if blocks else answer).strip()
    if not text:
        raise NoAnswer("no answer")
    if len(text) > _LONGEST or "\0" in text:
        raise NoAnswer("too long")
    text = text.encode("utf-8", "replace").decode()
    words = set(re.findall(r"[^\W\d]\w*", text))
    if words & set(_UNPROVEN[system]):
        raise NoAnswer("it admits something unproven", Outcome.FAIL)
    bad = words & set(_COMMANDS[system].split())
    if bad or (system == "lean" and re.search(r"#|@\[|\u00ab", text)):
        raise NoAnswer("a command in the proof", Outcome.FAIL)
    if system == "coq":
        text = text.removesuffix(".") + "."
    return text


def _read(system: str, status: int, output: str, nonce: str) -> tuple[Outcome, str]:
    """The outcome and its cause, from what the assistant printed."""
    if status < 0 or status > 128:
        return Outcome.INFRA_ERROR, f"{system} was killed by a signal"
    if status == BROKEN and output.startswith("confine:"):
        return Outcome.INFRA_ERROR, f"{system} could not be confined"
    if status != 0 or re.search(r"\berror:|declaration uses 'sorry'", output):
        return Outcome.FAIL, _NO_PROOF
    _, found, after = output.partition(nonce)
    if not found:
        return Outcome.INFRA_ERROR, f"{system} did not reach the end of the file"
    if system == "coq":
        closed = "Closed under the global context" in after
        return (Outcome.PASS, "") if closed else (Outcome.FAIL, "it rests on an axiom")
    if "does not depend on any axioms" in after:
        return Outcome.PASS, ""
    listed = re.search(r"depends on axioms: \[([^\]]*)\]", after)
    if listed is None:
        return Outcome.INFRA_ERROR, f"{system} did not say which axioms were used"
    axioms = {axiom.strip() for axiom in listed[1].split(",")}
    return (Outcome.PASS, "") if axioms <= _USUAL_AXIOMS[system] else (Outcome.FAIL, "it rests on an axiom")
