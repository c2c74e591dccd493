"""From a Python module's text to documents: its documentation, and questions with answers about its functions.

Only `ast` looks at the code, so nothing is imported or run. What is rendered is what a reader of the library wants:
the module's docstring, then every public class and function under its qualified name and signature.
"""

from __future__ import annotations

import ast
import inspect
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

_MAX_SIGNATURE = 300
_QUESTIONS_PER_FILE = 8
_ANSWER_CHARACTERS = (40, 1500)
_SOURCE_LINES = (3, 40)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Chat = list[dict[str, str]]


@dataclass(frozen=True)
class Definition:
    """A public class or function with its documentation."""

    name: str
    """Qualified: `json.JSONDecoder.decode`."""
    node: ast.ClassDef | Function
    docstring: str
    method: bool

    @property
    def signature(self) -> str:
        """`decode(self, s)` for a function, the name for a class; cut when it is very long."""
        if isinstance(self.node, ast.ClassDef):
            return self.node.name
        arguments = ast.unparse(self.node.args)
        if len(arguments) > _MAX_SIGNATURE:
            arguments = arguments[:_MAX_SIGNATURE].rsplit(",", 1)[0] + ", ..."
        return f"{self.node.name}({arguments})"


def parse_module(text: str) -> ast.Module | None:
    """The syntax tree of a module; None for what this Python cannot parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def definitions(tree: ast.Module, module: str) -> Iterator[Definition]:
    """Public documented classes, functions and methods of a module, in their order."""
    yield from _definitions(tree.body, module, method=False)


def _definitions(body: list[ast.stmt], prefix: str, method: bool) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            name = f"{prefix}.{node.name}"
            docstring = ast.get_docstring(node)
            if docstring:
                yield Definition(name, node, docstring, method)
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node.body, name, method=True)


def render_documentation(tree: ast.Module, module: str) -> str | None:
    """The documentation of a module as Markdown text; None when it has none worth reading (under 200 characters)."""
    parts = [f"# {module}"]
    opening = ast.get_docstring(tree)
    if opening:
        parts.append(opening)
    for definition in definitions(tree, module):
        owner = definition.name.rpartition(".")[0]
        kind = "class " if isinstance(definition.node, ast.ClassDef) else ""
        parts.append(f"## {kind}`{owner}.{definition.signature}`\n\n{definition.docstring}")
    text = "\n\n".join(parts) + "\n"
    return text if len(text) - len(module) >= 200 else None


def conversations(tree: ast.Module, module: str, text: str) -> Iterator[tuple[str, Chat]]:
    """(qualified name, chat) for up to 8 functions of a module: one question each, chosen by the hash of its name."""
    found = [d for d in definitions(tree, module) if not isinstance(d.node, ast.ClassDef)]
    found.sort(key=lambda definition: _hash(definition.name))
    lines = text.split("\n")
    made = 0
    for definition in found:
        pairs = list(_pairs(definition, lines))
        if pairs:
            question, answer = pairs[_hash(f"template {definition.name}") % len(pairs)]
            yield definition.name, [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            made += 1
            if made == _QUESTIONS_PER_FILE:
                return


def _pairs(definition: Definition, lines: list[str]) -> Iterator[tuple[str, str]]:
    """Every question and answer that fits a function: about its documentation, and about its source."""
    name, signature = definition.name, definition.signature
    short = name.rpartition(".")[2]
    module = name.rpartition(".")[0]
    explanation = first_paragraphs(definition.docstring)
    summary = first_sentence(definition.docstring)
    if explanation and not definition.method:
        yield f"What does `{name}` do?", explanation
        yield f"Explain the Python function `{name}`.", explanation
        yield f"I came across `{signature}` in `{module}`. What is it for, and how is it used?", explanation
        yield f"Which task does `{short}` from `{module}` solve?", explanation
        yield f"Give me a short description of `{module}.{signature}`.", explanation
    if explanation and definition.method:
        yield f"What does the method `{name}` do?", explanation
        yield f"When would I call `{short}` on an object of `{module}`?", explanation
    code = source_without_docstring(definition.node, lines)
    if code is None or summary is None:
        return
    fenced = f"```python\n{code}\n```"
    wish = summary[0].lower() + summary[1:].rstrip(".") if summary[:2].istitle() else summary.rstrip(".")
    if not definition.method:
        yield f"Write a Python function `{signature}` that does this: {wish}.", fenced
        yield f"Implement `{signature}` in Python. {summary}", fenced
        yield f"{summary} Show me how to write that as a Python function called `{short}`.", fenced
        yield f'Complete this function.\n\n```python\ndef {signature}:\n    """{summary}"""\n```', fenced
    yield f"What does this code do?\n\n{fenced}", explanation or summary
    yield f"Summarize this Python function in one sentence.\n\n{fenced}", summary
    yield f"Write a docstring for this function.\n\n{fenced}", f'"""{explanation or summary}"""'


def first_paragraphs(docstring: str) -> str | None:
    """The first paragraphs that fit an answer; None when even the first is too short or too long."""
    least, most = _ANSWER_CHARACTERS
    taken = ""
    for paragraph in re.split(r"\n\s*\n", docstring):
        longer = f"{taken}\n\n{paragraph}" if taken else paragraph
        if len(longer) > most:
            break
        taken = longer.rstrip()
    return taken if len(taken) >= least else None


def first_sentence(docstring: str) -> str | None:
    """The opening sentence on one line, with its full stop; None when there is no sentence of four words or more."""
    opening = " ".join(re.split(r"\n\s*\n", docstring)[0].split())
    sentence = re.split(r"(?<=[.!?])\s+(?=[A-Z`])", opening)[0]
    if not (20 <= len(sentence) <= 200) or sentence.count(" ") < 3 or not sentence[0].isalpha():
        return None
    return sentence if sentence[-1] in ".!?" else (sentence + "." if sentence[-1].isalnum() else None)


def source_without_docstring(node: ast.ClassDef | Function, lines: list[str]) -> str | None:
    """The source of a function without decorators and docstring; None when it is trivial or long."""
    assert node.end_lineno is not None
    opening = node.body[0]
    assert opening.end_lineno is not None
    head, body = lines[node.lineno - 1 : opening.lineno - 1], lines[opening.end_lineno : node.end_lineno]
    while body and not body[0].strip():
        body = body[1:]
    code = inspect.cleandoc("\n".join(["", *head, *body])) if head and body else ""
    shortest, longest = _SOURCE_LINES
    if not shortest <= len(head) + len(body) <= longest or len(code) > _ANSWER_CHARACTERS[1]:
        return None
    return code if code.startswith(("def ", "async def ")) else None


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little")
