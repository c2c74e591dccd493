r"""Hard pairs of answers in LaTeX, made by hand, with known truth: is the second the same answer as the first?

Each line below is a gold answer, what is the same answer, and what is not (wrong, incomplete, or no one answer at all).
Kinds: the forms that datasets and models write, and the traps that checkers are known to fall into. Where opinion
differs (is 0.333 one third? is 24 + 11 the answer 35?) the truth is the strict one and the kind is "policy", counted
apart. They were written before the verifier had seen any, in one sitting by its author: on the first run it was right on
495 of all 503, with two false accepts ("1 2" for 12); the mends that followed are in it, so later figures are of a
development set.
"""

# ruff: noqa: E501

from __future__ import annotations

from typing import NamedTuple

_Line = tuple[str, list[str], list[str]]


class Pair(NamedTuple):
    """A gold answer, an answer, and whether they are the same."""

    kind: str
    gold: str
    answer: str
    same: bool


_PAIRS: dict[str, list[_Line]] = {
    "number": [
        (r"\frac{1}{2}", ["0.5", "1/2", r"\frac12", r"\dfrac{2}{4}", r"\frac{-1}{-2}", "$.5$"], ["2", "0.05", r"-\frac12"]),
        (r"-\frac{3}{4}", ["-0.75", r"\frac{-3}{4}", r"\frac{3}{-4}", "-3/4"], ["0.75", r"\frac{4}{3}", "-0.34"]),
        ("7/2", [r"3\frac{1}{2}", "3.5", r"\frac{7}{2}"], [r"\frac{3}{2}", "3.12", "72"]),
        ("1234567", ["1,234,567", r"1{,}234{,}567", r"1\,234\,567", r"1{,}234{,}567.0"], ["1,234,576", "1.234567"]),
        ("0.1\\overline{6}", [r"\frac16", "1/6"], ["0.16", "0.1666", r"\frac{16}{90}"]),
        ("0.\\overline{9}", ["1"], ["0.9", "0.99999999"]),
        ("123000", [r"1.23\times 10^5", r"1.23\cdot10^{5}", r"123\times10^3"], [r"1.23\times10^4", r"1.23\times 5"]),
        ("0.00012", [r"1.2\times10^{-4}", r"1.2 \cdot 10^{-4}"], [r"1.2\times10^{4}", "0.0012", "0.00013"]),
        ("1024", ["2^{10}", "1{,}024", "1024.00"], ["2^9", "1042", "210"]),
        ("10\\%", ["0.1", r"\frac{1}{10}", "10%", "10\\%"], ["10.5%", "1", "1%"]),
        ("-5", ["\u22125", "-5.0", r"-\frac{10}{2}"], ["5", "- 6", "0.5"]),
        ("100", [r"\boxed{100}", r"$\boxed{100}$.", r"10^2"], ["1000", "10^3"]),
        ("0", ["-0", "0.00", r"\frac{0}{7}"], ["0.0000001", "1"]),
        ("12345678901234567890", ["12345678901234567890.0"], ["12345678901234567891", "12345678901234567889.9"]),
        ("0.0000001", [r"10^{-7}", r"\frac{1}{10000000}"], ["0.0000002", "0", "0.00000011"]),
    ],
    "constant": [
        (r"2\sqrt{2}", [r"\sqrt{8}", r"\sqrt8", r"2^{3/2}", r"\frac{4}{\sqrt2}", r"2 \cdot \sqrt{2}"],
         [r"\sqrt{2}", r"\sqrt{6}", "4", "2.828427", r"2+\sqrt2"]),
        (r"\frac{\sqrt{3}}{2}", [r"\frac{\sqrt3}2", r"\sin 60^\circ", r"\cos\frac{\pi}{6}", r"\sqrt{\frac34}", r"\frac12\sqrt3"],
         [r"\frac{\sqrt2}{2}", r"\frac{3}{2}", "0.8660254"]),
        (r"\frac{1}{\sqrt{2}}", [r"\frac{\sqrt{2}}{2}", r"2^{-1/2}", r"\cos 45^\circ"], [r"\sqrt2", r"-\frac{\sqrt2}{2}"]),
        (r"\pi", [r"\pi", r"\frac{2\pi}{2}", "\u03c0", r"4\arctan 1"], ["3.14", "3.14159265", r"\frac{22}{7}", r"2\pi"]),
        (r"\frac{\pi}{4}", [r"0.25\pi", r"\arctan 1", r"\frac14 \pi"], [r"\frac{4}{\pi}", r"\frac{\pi}{2}", "45"]),
        (r"e^2", [r"e\cdot e", r"\exp(2)", r"\mathrm{e}^{2}"], [r"2e", "7.389", "e^{-2}"]),
        (r"\ln 2", [r"\log_e 2", r"-\ln\frac12", r"\frac12\ln 4"], [r"\log_2 e", r"\ln 3", "0.693"]),
        (r"\log_2 3", [r"\frac{\ln 3}{\ln 2}", r"\log_{2}{3}", r"\frac12\log_2 9"], [r"\log_3 2", "1.585"]),
        (r"1+\sqrt{5}", [r"\sqrt5+1", r"\sqrt{5} + 1", r"\frac{-4}{1-\sqrt5}"], [r"1-\sqrt5", r"\sqrt6", r"1+5"]),
        (r"\frac{1+\sqrt{5}}{2}", [r"\frac{\sqrt5+1}2", r"\frac12+\frac{\sqrt5}{2}", r"\frac{2}{\sqrt5-1}"],
         [r"\frac{1-\sqrt5}{2}", "1.618", r"1+\frac{\sqrt5}{2}"]),
        (r"\sqrt{2}+\sqrt{3}", [r"\sqrt3+\sqrt2", r"\sqrt{5+2\sqrt6}"], [r"\sqrt5", r"\sqrt6", r"\sqrt{5+2\sqrt5}"]),
        (r"\sqrt[3]{2}", [r"2^{1/3}", r"2^{\frac13}", r"\sqrt[6]{4}"], [r"\sqrt2", r"\sqrt[3]{3}", "1.26"]),
        ("3-4i", [r"-4i+3", r"\frac{25}{3+4i}"], ["3+4i", "4-3i", "-1"]),
        (r"\cos 20^\circ", [r"\sin 70^\circ", r"\cos\frac{\pi}{9}"], [r"\cos 20", r"\sin 20^\circ"]),
        (r"9\pi - 18", [r"9(\pi-2)", r"-18+9\pi"], [r"9\pi+18", r"9\pi", r"18-9\pi"]),
        (r"2^{100}", [r"4^{50}", r"(2^{50})^2"], [r"2^{101}", r"2^{100}+1", r"100^2"]),
        (r"e^{\pi\sqrt{163}}", [r"\exp(\pi\sqrt{163})"], ["262537412640768744", "262537412640768743.99999999999925"]),
        (r"\binom{10}{3}", ["120", r"\frac{10!}{3!7!}"], ["720", r"\binom{10}{4}"]),
    ],
    "expression": [
        ("x^2-1", ["(x-1)(x+1)", "-1+x^2", r"x\cdot x-1"], ["x^2+1", "(x-1)^2", "y^2-1", "1-x^2"]),
        ("2x+3", ["3+2x", r"2(x+\frac32)", r"2 \cdot x + 3"], ["3x+2", "2x-3", "2y+3", "2(x+3)"]),
        (r"\frac{a}{b}", ["a/b", r"a b^{-1}", r"\frac{ac}{bc}"], [r"\frac{b}{a}", "ab", r"\frac{A}{b}"]),
        (r"\frac{x+1}{x-1}", [r"1+\frac{2}{x-1}", r"\frac{-x-1}{1-x}"], [r"\frac{x-1}{x+1}", "-1", r"\frac{x}{x}-1"]),
        (r"\sin^2 x", [r"1-\cos^2 x", r"(\sin x)^2", r"\frac{1-\cos 2x}{2}"], [r"\sin x^2", r"\cos^2 x", r"\sin x"]),
        (r"\sin 2x", [r"2\sin x\cos x", r"\sin(2x)"], [r"2\sin x", r"\sin x \cos x"]),
        (r"\ln(xy)", [r"\ln (yx)"], [r"\ln x \cdot \ln y", r"\ln(x+y)"]),
        (r"e^{2x}", [r"(e^x)^2", r"e^x e^x", r"\exp(2x)"], [r"e^{x^2}", r"2e^x"]),
        (r"\pi r^2", [r"r^2\pi", r"\pi r r"], [r"2\pi r", r"\pi R^2", r"\pi r^3"]),
        (r"\frac{n(n+1)}{2}", [r"\frac{n^2+n}{2}", r"\binom{n+1}{2}", r"\frac12 n(n+1)"], [r"\frac{n(n-1)}{2}", "n(n+1)", r"\frac{n^2+1}{2}"]),
        ("a^2+2ab+b^2", ["(a+b)^2", "(b+a)(a+b)"], ["a^2+b^2", "(a-b)^2"]),
        (r"\sqrt{x^2}", ["|x|"], ["x", "-x"]),
        ("N+n", ["n+N"], ["2n", "2N"]),
        (r"x_1+x_2", ["x_2+x_1", "x_{1}+x_{2}"], ["2x", "x_1+x_3", "x_1x_2"]),
        (r"\frac{1}{1-x}", [r"-\frac{1}{x-1}", r"(1-x)^{-1}"], [r"\frac{1}{x-1}", r"1-x", "1+x+x^2"]),
        ("2^{n+1}", [r"2\cdot 2^n", r"2^{1+n}"], ["2^n+1", "2^{n-1}", "2n+1"]),
        (r"\tan x", [r"\frac{\sin x}{\cos x}"], [r"\frac{\cos x}{\sin x}", r"\cot x"]),
        ("n!", [r"n \cdot (n-1)!"], ["(n+1)!", "n"]),
    ],
    "collection": [
        (r"\{1,2\}", [r"\{2,1\}", "1,2", "2 and 1", r"$\{1, 2\}$", "1 or 2", "x=1, x=2"], ["1", r"\{1\}", r"\{1,2,3\}", "(1,3)"]),
        ("1331 and 1728", ["1728 and 1331", "1331, 1728"], ["1728", "1331", "1331 and 1729"]),
        ("2,3,5", ["5,3,2", r"\{2,3,5\}"], ["2,3", "2,3,5,7", "2,3,6", "5"]),
        (r"1\pm\sqrt{2}", [r"1+\sqrt2,1-\sqrt2", r"1-\sqrt{2}, 1+\sqrt{2}", r"x=1\pm\sqrt2"], [r"1+\sqrt2", r"1-\sqrt2", r"2\pm\sqrt2"]),
        (r"\frac{-1\pm\sqrt5}{2}", [r"\frac{-1+\sqrt5}{2}, \frac{-1-\sqrt5}{2}"], [r"\frac{-1+\sqrt5}{2}", r"\frac{1\pm\sqrt5}{2}"]),
        ("(1,2)", ["$(1, 2)$", r"\left(1,2\right)", r"(1,\frac{4}{2})"], ["(2,1)", "1", "(1,2,3)", "[1,2]", "(1,20)"]),
        ("(-1,0,3)", ["(-1, 0, 3)", r"\langle -1,0,3\rangle"], ["(1,0,3)", "(-1,3)", "(3,0,-1)"]),
        (r"(\frac12,\pi)", [r"(0.5, \pi)", r"\left(\frac{1}{2},\pi\right)"], [r"(\pi,\frac12)", r"(\frac12,3.14)"]),
        ("(1,2),(3,4)", ["(3,4),(1,2)", "(1,2) and (3,4)"], ["(1,2)", "(2,1),(3,4)", "(1,3),(2,4)"]),
        (r"\emptyset", [r"\varnothing", r"\{\}"], ["0", r"\{0\}"]),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", [r"\begin{bmatrix}1&2\\3&4\end{bmatrix}", r"\begin{pmatrix} 1 & 2 \\ 3 & \frac{8}{2} \end{pmatrix}"],
         [r"\begin{pmatrix}1&3\\2&4\end{pmatrix}", r"\begin{pmatrix}1&2\end{pmatrix}", "1,2,3,4"]),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", [r"\begin{bmatrix}1\\2\end{bmatrix}"], [r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}2\\1\end{pmatrix}"]),
    ],
    "interval": [
        ("(1,2)", ["1<x<2", r"x\in(1,2)", "2>x>1"], ["1<=x<2", "x<2", "[1,2)"]),
        ("[0,1]", [r"0\le x\le 1", r"[0, 1]", r"0 \leq x \leq 1"], ["(0,1)", "[0,1)", "0<x<1"]),
        (r"(2,\infty)", ["x>2", "2<x", r"x \in (2, \infty)"], [r"[2,\infty)", "x<2", "x>3", "2"]),
        (r"(-\infty,3]", [r"x\le 3", r"3\geq x"], ["x<3", r"(-\infty,3)", "[3,\\infty)"]),
        (r"(-\infty,-1)\cup(1,\infty)", [r"(1,\infty)\cup(-\infty,-1)", r"x<-1 \text{ or } x>1"], ["x>1", r"(-\infty,-1)", "(-1,1)"]),
        ("x > 2", ["2x > 4", "x-2>0"], ["2x<4", "-2x>-4", "x>=2", "y>2"]),
        (r"[-\sqrt2,\sqrt2]", [r"-\sqrt{2}\le x\le\sqrt{2}"], [r"(-\sqrt2,\sqrt2)", r"[-2,2]", r"[0,\sqrt2]"]),
    ],
    "equation": [
        ("x=5", ["5", "x = 5", r"x=\frac{10}{2}"], ["y=5", "x=6", "x=-5"]),
        ("y=2x+3", ["2x+3", "2x-y+3=0", "y=3+2x", "y-3=2x"], ["y=2x-3", "x=2y+3", "2x+y+3=0"]),
        ("x=1, y=2", ["y=2, x=1", "x = 1,\\ y = 2"], ["x=2, y=1", "x=1", "1", "x=1, y=2, z=3"]),
        ("x^2+y^2=25", ["y^2+x^2=25", "x^2+y^2-25=0", "2x^2+2y^2=50"], ["x^2+y^2=5", "x^2-y^2=25", "x+y=5"]),
        ("f(x)=x^2+1", ["x^2+1", "f(x)=1+x^2"], ["f(x)=x^2-1", "g(x)=x^2+1", "f(x)=(x+1)^2"]),
        (r"x=\frac{3}{2}", [r"x = \frac{3}{2} = 1.5", "1.5"], [r"x=\frac{3}{2}=1.6", r"x=\frac23"]),
    ],
    "text": [
        (r"\text{yes}", ["Yes", r"\text{Yes}", "yes."], ["no", r"\text{no}", "yes or no"]),
        (r"\text{(B)}", ["B", "(B)", r"\text{B}", r"\mathrm{(B)}"], ["A", "(C)", "B or C"]),
        (r"5\text{ cm}", ["5", r"5\,\text{cm}", r"5 \mathrm{~cm}"], [r"5\text{ m}", r"6\text{ cm}", r"0.5\text{ cm}"]),
        (r"90^\circ", ["90", r"90^{\circ}"], ["9", r"80^\circ"]),
        (r"\text{live}", ["live"], ["evil", "vile", "liv"]),
        (r"\text{Monday}", ["monday", r"\text{Monday}"], ["Sunday", "Mon"]),
    ],
    "trap": [
        ("101", [], ["$x=7=101$", "x=101=7", "7=101", "100=101"]),
        ("5", [r"\boxed{5} so \boxed{5}"], [r"\boxed{5} \boxed{", r"\boxed{5", r"\boxed{4} \boxed{5}", r"\boxed{5} \boxed{6}", r"\boxed{4, 5}", r"\boxed{4 \text{ or } 5}"]),
        ("12", [], ["1\u0662", "\u202e21\u202c", "12\x00", "12 13", "1 2", r"\text{1} 2", "10 2", "12 or 13", "12, 13"]),
        ("7", [], ["1 6", "3 4", "7 0", "0,7"]),
        (r"\{1,2,3\}", [], ["3", "1,2", "1,2,3,4", r"\{1,2\}\cup\{4\}", r"\boxed{1}, \boxed{2}, \boxed{3}"]),
        ("(3,4)", [], ["3", "4", "(3,4), (4,3)", "(3,4,5)", r"\{3,4\}"]),
        (r"\sqrt{2}", [], ["9^{9^{9^9}}", "10^{10^{10}}", "100000000!", "(((2^{99})^{99})^{99})^{99}", "(" * 500 + "2" + ")" * 500, r"\sqrt{" * 200 + "2" + "}" * 200]),
        ("x", [], ["x or y", "x,y", "X", r"\text{anything}", "xx"]),
        (r"0.5", [], [r"\frac{1}{2", r"\frac{1}", "0.5.5", "0,5", "1/2/3", "0.5%"]),
    ],
    "policy": [
        (r"\frac13", [], ["0.333333", "0.33", r"0.3333333333333333"]),
        ("35", ["24 + 11 = 35"], ["24 + 11", r"5\cdot 7", r"\sum_{k=5}^{8}k + 9", "40-5"]),
        (r"\sqrt2", [], ["1.414213562", "1.41"]),
        ("(1,2)", [], ["1,2"]),
        (r"\frac12", [], [r"\int_0^1 x\,dx", r"\lim_{n\to\infty}\frac{n}{2n}"]),
    ],
}  # fmt: skip

PAIRS = [
    Pair(kind, gold, answer, same)
    for kind, lines in _PAIRS.items()
    for gold, equal, different in lines
    for answers, same in ((equal, True), (different, False))
    for answer in answers
]
"""Every pair."""
