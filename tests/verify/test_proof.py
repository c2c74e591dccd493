"""Proofs: what is asked of the assistant, what is refused before, what is its fault, and that it is confined."""

from __future__ import annotations

import os

import pytest

from midtrain.core.errors import UserError
from midtrain.verify.sandbox import levels
from midtrain.verify.sandbox.config import SandboxConfig
from midtrain.verify.sandbox.confine import ISOLATION
from midtrain.verify.sandbox.probe import Capabilities, probe
from midtrain.verify.verifiers import proof

confinable = probe().namespaces and probe().landlock
FAKE_LEAN = """#!/bin/sh
file=$(eval echo \\${$#})
nonce=$(sed -n 's/^#eval "\\(.*\\)"$/\\1/p' "$file")
if grep -q 'Nta\\|exact_wrong' "$file"; then echo "Main.lean:3:2: error: unsolved goals"; exit 1; fi
echo "\\"$nonce\\""
if grep -q choice "$file"; then echo "'t' depends on axioms: [propext, Classical.choice]"; exit 0; fi
if grep -q cheat "$file"; then echo "'t' depends on axioms: [cheat]"; exit 0; fi
if grep -q early "$file"; then exit 3; fi
echo "'t' does not depend on any axioms"
"""
NAT = "theorem t (a b : Nat) : a + b = b + a"


@pytest.fixture
def lean(tmp_path, monkeypatch):
    """Puts a script called lean on the PATH; gives the function that judges a proof with it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def judged(text, script=FAKE_LEAN, statement=NAT):
        (folder / "lean").write_text(script)
        (folder / "lean").chmod(0o755)
        with levels.configure(SandboxConfig(allow_unsafe=not confinable)):
            return proof.proof(text, "", {"system": "lean", "statement": statement})

    return judged


@pytest.mark.parametrize(
    ("text", "outcome", "cause"),
    [
        ("by omega", "pass", ""),
        ("```lean\nby\n  omega\n```", "pass", ""),
        ("by exact choice_of a", "pass", ""),
        ("by exact_wrong", "fail", "not a proof"),
        ("by exact cheat", "fail", "it rests on an axiom"),
        ("by sorry", "fail", "it admits something unproven"),
        ("by omega\n\naxiom cheat : False", "fail", "it admits something unproven"),
        ('by omega\n#eval IO.println "x"', "fail", "a command in the proof"),
        ("by omega\ntheorem t2 : True := trivial", "fail", "a command in the proof"),
        ("by early", "fail", "not a proof"),
        ("", "unparseable", "no answer"),
        ("```\nby omega\n```\n```\nby simp\n```", "unparseable", "several proofs"),
    ],
)
def test_proofs_are_the_assistants_to_judge(lean, text, outcome, cause):
    found = lean(text)
    assert (found.outcome, found.cause) == (outcome, cause)


def test_a_statement_that_does_not_stand_is_no_wrong_proof(lean):
    found = lean("by omega", statement="theorem t (a : Nta) : a = a")
    assert (found.outcome, found.details["said"]) == ("infra_error", "Main.lean:3:2: error: unsolved goals\n")
    broken = lean("by omega", script="#!/bin/sh\necho no library; exit 127\n")
    assert broken.outcome == "infra_error"


@pytest.mark.skipif(not confinable, reason="no user namespaces or no Landlock here")
def test_the_assistant_reads_its_own_folder_and_writes_to_one_only(lean, tmp_path):
    (tmp_path / "secret").write_text("secret")
    script = f"""#!/bin/sh
cat {tmp_path}/secret && exit 9
echo x > {tmp_path}/new && exit 9
kill -0 {os.getpid()} && exit 9
echo x > "$(dirname "$1")/own" || exit 9
{FAKE_LEAN.removeprefix("#!/bin/sh")}"""
    found = lean("by omega", script=script)
    assert (found.outcome, found.cause, found.isolation) == ("pass", "", ISOLATION)


def test_where_it_cannot_be_confined_it_does_not_run(lean, monkeypatch):
    bare = Capabilities(False, 0, False, "", 1, True, {"namespaces": "forbidden"})
    monkeypatch.setattr(proof, "probe", lambda: bare)
    monkeypatch.setattr(f"{__name__}.confinable", True)
    with pytest.raises(UserError, match="namespaces: forbidden"):
        lean("by omega")


def test_a_missing_proof_assistant_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="needs coqc"):
        proof.proof("reflexivity.", "", {"system": "coq", "statement": "Theorem t : True."})
