"""Proofs checked by a proof assistant, where its binary is on the PATH: Lean 4 (`lean`, or `lake` in a project) or Coq.

    arguments.system      "lean" or "coq"
    arguments.statement   "theorem t (a b : Nat) : a + b = b + a" (Lean), "Theorem t : forall a, a + 0 = a." (Coq)
    arguments.preamble    what stands before it: imports, definitions
    arguments.project     a Lean project's folder, in which `lake env lean` runs, for statements that need Mathlib
    answer                the proof alone: what follows ":=" (Lean), or the tactics between "Proof." and "Qed." (Coq)

The statement is written by us, so it cannot be weakened, and the proof may hold no word that admits something unproven,
declares anything, or runs a program while it is checked (elaborators can); after it the assistant itself is asked which
axioms the theorem rests on, under a name the proof cannot know, and only the usual ones are allowed. The process is
bounded in time and memory, but it is the list of words that keeps a proof from the machine: the isolation says so.
"""

from __future__ import annotations

import os
import re
import resource
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from midtrain.core.errors import UserError
from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.latex import NoAnswer
from midtrain.verify.verifiers.protocol import Judgement

ISOLATION = "limits, and no commands in the proof"
_SECONDS, _MEMORY, _LONGEST = 60.0, 8 << 30, 50_000
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
    """Whether the proof assistant accepts the proof. Raises UserError when its binary is not on the PATH."""
    system = arguments["system"]
    if system not in _COMMANDS:
        raise ValueError(f'the proof assistants are "lean" and "coq", not {system!r}')
    command = _command(system, arguments.get("project"))
    try:
        text = _body(answer, system)
    except NoAnswer as error:
        return Judgement(error.outcome, error.cause, isolation=ISOLATION)
    nonce = f"checked_{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory(prefix="midtrain-proof-") as folder:
        file = Path(folder) / ("Main.lean" if system == "lean" else "Main.v")
        file.write_text(_source(system, arguments, text, nonce), encoding="utf-8")
        status, output = _run([*command, str(file)], arguments.get("project") or folder, folder)
    if status is None:
        return Judgement(Outcome.TIMEOUT, "wall time", isolation=ISOLATION)
    outcome, cause = _read(system, status, output, nonce)
    return Judgement(outcome, cause, isolation=ISOLATION)


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


def _source(system: str, arguments: Mapping[str, Any], text: str, nonce: str) -> str:
    statement = arguments["statement"].strip()
    name = re.match(r"\w+\s+([\w.']+)", statement)
    if name is None:
        raise ValueError(f"the statement {statement[:100]!r} has no name")
    preamble = arguments.get("preamble", "")
    if system == "lean":
        body = text if text.startswith("by") else f"by\n{text}"
        body = "\n".join(f"  {line}" for line in body.splitlines())
        return f'{preamble}\n{statement} :=\n{body}\n\n#eval "{nonce}"\n#print axioms {name[1]}\n'
    asked = f"Definition {nonce} := tt.\nPrint {nonce}.\nPrint Assumptions {name[1]}.\n"
    return f"{preamble}\n{statement}\nProof.\n{text}\nQed.\n{asked}"


def _run(command: Sequence[str], where: str, home: str) -> tuple[int | None, str]:
    """(status, or None when it was killed; all it printed), with nothing of our environment but the PATH."""
    environment = {name: os.environ[name] for name in ("PATH", "ELAN_HOME") if name in os.environ}
    with open(Path(home) / "output", "w+b") as output:
        process = subprocess.Popen(
            command,
            cwd=where,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment, "HOME": os.environ.get("HOME", home)},
            start_new_session=True,
        )
        try:
            for limit, size in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_FSIZE, 1 << 24)):
                with suppress(ProcessLookupError):
                    resource.prlimit(process.pid, limit, (size, size))
            status: int | None = process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return status, output.read(1 << 20).decode("utf-8", "replace")


def _read(system: str, status: int, output: str, nonce: str) -> tuple[Outcome, str]:
    """The outcome and its cause, from what the assistant printed."""
    if status < 0:
        return Outcome.INFRA_ERROR, f"{system} was killed by a signal"
    if status != 0 or re.search(r"\berror:|declaration uses 'sorry'", output):
        return Outcome.FAIL, "not a proof"
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
