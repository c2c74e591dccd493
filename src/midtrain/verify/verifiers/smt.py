"""Answers checked by the solver Z3 against a problem in SMT-LIB: a verdict of satisfiability, a model, or a value.

    arguments.smt     declarations and assertions, the problem's own text (never the model's)
    arguments.ask     "status": the answer is sat or unsat, and must be what Z3 finds
                      "model": the answer gives every constant ("x = 3, y = 5"), and must satisfy the assertions;
                               with `unique` no other may
                      "value": the answer is a number, and the assertions must force `term` (SMT-LIB) to be it

The answer is read as numbers and names and put in through Z3's own constructors, so that no text of a model's is parsed
as SMT-LIB. Work is bounded by Z3's deterministic resource count, not by time: the same problem is always decided or
always not, and a problem not decided ("unknown") is a TIMEOUT, never a wrong answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from midtrain.core.errors import UserError
from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.latex import NoAnswer
from midtrain.verify.verifiers.protocol import PASSED, Judgement
from midtrain.verify.verifiers.rationals import rational

WORK = 2_000_000
"""Z3's resource units for one question, a second or two; `arguments.rlimit` says otherwise."""
_ASSIGNMENT = re.compile(r"\(?\s*([^\s=:,;()]+)\s*(?:=|:|\bis\b)\s*([^\s=:,;()]+)\s*\)?")
_TRUTHS = {"true": True, "false": False, "yes": True, "no": False}


def solver_of(text: str, work: int = WORK) -> Any:
    """A solver in a context of its own that holds the assertions of an SMT-LIB text.

    Raises UserError when Z3 is not installed, ValueError for a text it cannot read.
    """
    try:
        import z3
    except ImportError as error:
        raise UserError(
            "Checking an answer with SMT-LIB needs Z3; install it with: pip install midtrain[smt]"
        ) from error
    solver = z3.SimpleSolver(ctx=z3.Context())  # without trying tactics first: half the time for small problems
    solver.set("rlimit", work)
    try:
        solver.from_string(text)
    except z3.Z3Exception as error:
        raise ValueError(f"the SMT-LIB text cannot be read: {str(error)[:200]}") from error
    return solver


def smt(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """Judge by Z3; see the module. `ask` is "status" where gold is sat or unsat and "model" elsewhere, unless said."""
    solver = solver_of(arguments["smt"], int(arguments.get("rlimit", WORK)))
    ask = arguments.get("ask", "status" if gold in ("sat", "unsat") else "model")
    try:
        if ask == "status":
            judgement = _status(solver, answer)
        elif ask == "model":
            judgement = _model(solver, answer, bool(arguments.get("unique")))
        elif ask == "value":
            judgement = _value(solver, answer, arguments)
        else:
            raise ValueError(f'ask is "status", "model" or "value", not {ask!r}')
    except NoAnswer as error:
        judgement = Judgement(error.outcome, error.cause)
    return judgement


def forced(text: str, claim: str, work: int = WORK) -> bool | None:
    """Whether the assertions of `text` can hold and force the SMT-LIB term `claim`; None when Z3 cannot tell."""
    found = [_ask(solver_of(f"{text}\n{claim_}", work)) for claim_ in (f"(assert {claim})", f"(assert (not {claim}))")]
    if found[0] is False or found[1] is True:
        return False
    return None if None in found else True


def _ask(solver: Any, *extra: Any) -> bool | None:
    """Whether the solver's assertions and `extra` can hold; None for unknown."""
    solver.push()
    solver.add(*extra)
    found = str(solver.check())
    solver.pop()
    return {"sat": True, "unsat": False}.get(found)


def _undecided() -> Judgement:
    return Judgement(Outcome.TIMEOUT, "unknown to the solver")


def _status(solver: Any, answer: str) -> Judgement:
    word = answer.strip().rstrip(".").casefold()
    claimed = {"sat": True, "satisfiable": True, "unsat": False, "unsatisfiable": False}.get(word)
    if claimed is None:
        raise NoAnswer("neither sat nor unsat")
    found = _ask(solver)
    if found is None:
        return _undecided()
    return PASSED if found is claimed else Judgement(Outcome.FAIL, "the other status")


def _model(solver: Any, answer: str, unique: bool) -> Judgement:
    equalities = _equalities(_constants(solver), answer)
    found = _ask(solver, *equalities)
    if found is None:
        return _undecided()
    if not found:
        return Judgement(Outcome.FAIL, "breaks a constraint")
    if unique:
        import z3

        other = _ask(solver, z3.Not(z3.And(equalities)))
        if other is None:
            return _undecided()
        if other:
            return Judgement(Outcome.FAIL, "not the only solution")
    return PASSED


def _value(solver: Any, answer: str, arguments: Mapping[str, Any]) -> Judgement:
    number = rational(answer.strip().rstrip("."))
    if number is None:
        raise NoAnswer("no number in the answer")
    term, work = arguments["term"], int(arguments.get("rlimit", WORK))
    value = (
        f"(/ {abs(number.numerator)} {number.denominator})" if number.denominator > 1 else str(abs(number.numerator))
    )
    found = forced(arguments["smt"], f"(= {term} {value if number >= 0 else f'(- {value})'})", work)
    if found is None:
        return _undecided()
    return PASSED if found else Judgement(Outcome.FAIL, "another value")


def _constants(solver: Any) -> dict[str, Any]:
    """The constants that the assertions speak of, by name."""
    import z3

    found, seen, left = {}, set(), list(solver.assertions())
    while left:
        term = left.pop()
        if term.get_id() in seen:
            continue
        seen.add(term.get_id())
        if z3.is_const(term) and term.decl().kind() == z3.Z3_OP_UNINTERPRETED:
            found[term.decl().name()] = term
        left.extend(term.children())
    return found


def _equalities(constants: Mapping[str, Any], answer: str) -> list[Any]:
    """One equality for each constant. Raises NoAnswer when one is missing, unknown or given twice."""
    given: dict[str, str] = {}
    for name, value in _ASSIGNMENT.findall(answer):
        if name in given and given[name] != value:
            raise NoAnswer("a constant given twice")
        if name not in constants:
            raise NoAnswer("an unknown constant")
        given[name] = value
    if len(given) < len(constants):
        raise NoAnswer("not every constant is given")
    return [constant == _term(constant, given[name]) for name, constant in constants.items()]


def _term(constant: Any, value: str) -> Any:
    import z3

    sort, context = constant.sort(), constant.ctx
    value = value.rstrip(".")
    if sort.kind() == z3.Z3_BOOL_SORT and value.casefold() in _TRUTHS:
        return z3.BoolVal(_TRUTHS[value.casefold()], ctx=context)
    if sort.kind() in (z3.Z3_INT_SORT, z3.Z3_REAL_SORT):
        number = rational(value)
        if number is not None and (sort.kind() == z3.Z3_REAL_SORT or number.denominator == 1):
            return _number(number, sort, context)
    if sort.kind() == z3.Z3_DATATYPE_SORT:
        for place in range(sort.num_constructors()):
            made = sort.constructor(place)
            if made.arity() == 0 and made.name().casefold() == value.casefold():
                return made()
    raise NoAnswer("a value of another kind")


def _number(number: Fraction, sort: Any, context: Any) -> Any:
    import z3

    return z3.IntVal(number.numerator, context) if sort.kind() == z3.Z3_INT_SORT else z3.RealVal(str(number), context)
