"""The command line: one verb per thing a person does, and no logic.

Every verb imports its room when it is called, so that --help answers at once. Exit codes: 0 done, 1 a check failed
(guard broken, target missed), 2 bad input (one sentence on standard error), 130 stopped on request with a checkpoint.
"""

from __future__ import annotations

import json as jsonlib
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from midtrain.core.errors import MidtrainError

app = typer.Typer(
    name="midtrain",
    help="From a base language model and a token budget to a better base model, with the evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

problems_app = typer.Typer(help="Make, show and export problems with exact answers.", no_args_is_help=True)
app.add_typer(problems_app, name="problems", rich_help_panel=None)

RecipePath = Annotated[Path, typer.Argument(help="The recipe file (YAML).", metavar="RECIPE")]
RunFolder = Annotated[Path, typer.Argument(help="The run's folder, such as runs/quickstart.", metavar="RUN")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override one field: stages.anneal.tokens=2M (repeatable).", metavar="FIELD=VALUE"),
]
Out = Annotated[Path | None, typer.Option(help="The run's folder (default: runs/NAME).")]
Workers = Annotated[int | None, typer.Option(help="Processes for documents (default: one for each CPU).", min=1)]
Ray = Annotated[
    str | None,
    typer.Option(
        help="A Ray cluster for documents, such as auto or 10.0.0.1:6379 (one file system for all).", metavar="ADDRESS"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines, and nothing else.")]


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.", metavar="FILE")] = Path("recipe.yaml"),
    base: Annotated[str, typer.Option(help="The base: a folder, a Hub id or asset://tiny-base.")] = "asset://tiny-base",
) -> None:
    """Write a commented recipe to start from.

    Example: midtrain init my.yaml --base ./SmolLM2-135M
    """
    from midtrain.recipe.starter import write_starter

    _print(write_starter(path, base))


@app.command()
def plan(recipe: RecipePath, set_: Set = None, out: Out = None, json: Json = False) -> None:
    """Show what a recipe will read, train and cost, before anything is spent.

    Example: midtrain plan recipes/quickstart.yaml --set stages.anneal.tokens=2M
    """
    _quiet(json)
    from midtrain.recipe.load import load_recipe
    from midtrain.recipe.plan import make_plan
    from midtrain.recipe.show import plan_text

    made = make_plan(load_recipe(recipe, set_), out)
    _print(jsonlib.dumps(made.to_json(), indent=1) if json else plan_text(made))


@app.command()
def run(
    recipe: RecipePath,
    set_: Set = None,
    out: Out = None,
    until: Annotated[str | None, typer.Option(help="Stop after this step, or after all under it: tokens.")] = None,
    workers: Workers = None,
    ray: Ray = None,
    json: Json = False,
) -> None:
    """Make what is missing of a recipe, and nothing else; run it again to go on after a stop.

    Example: midtrain run recipes/quickstart.yaml --until tokens
    """
    _quiet(json)
    from midtrain.core.parallel import configure
    from midtrain.recipe.load import load_recipe
    from midtrain.recipe.run import run_recipe
    from midtrain.recipe.show import outcome_text

    with configure(workers, ray):
        outcome = run_recipe(load_recipe(recipe, set_), out, until)
    _print(jsonlib.dumps(outcome.to_json(), indent=1) if json else outcome_text(outcome))
    outcome.check()


@app.command()
def curate(
    recipe: Annotated[Path, typer.Argument(help="A recipe, or a file of sources and curation alone (YAML).")],
    set_: Set = None,
    out: Out = None,
    until: Annotated[str | None, typer.Option(help="Stop after this step, or after all under it: attributes.")] = None,
    workers: Workers = None,
    ray: Ray = None,
    json: Json = False,
) -> None:
    """Curate documents: measure, filter, deduplicate, decontaminate, mask; every drop with its reason.

    Example: midtrain curate my.yaml --out curated --workers 8
    """
    _quiet(json)
    from midtrain.core.parallel import configure
    from midtrain.recipe.curate import curate as curate_documents
    from midtrain.recipe.load import load_documents
    from midtrain.recipe.show import curated_text

    with configure(workers, ray):
        made = curate_documents(load_documents(recipe, set_), out, until)
    _print(jsonlib.dumps(made.to_json(), indent=1) if json else curated_text(made))


@app.command()
def review(
    folder: RunFolder,
    file: Annotated[Path | None, typer.Option(help="The file of verdicts (default: the recipe's).")] = None,
) -> None:
    """Go through the evaluation items found in the documents, and accept or reject each match.

    Example: midtrain review runs/quickstart
    """
    from midtrain.recipe.curate import review_contamination

    def ask(question: str) -> str:
        try:
            return input(question)
        except EOFError:
            return "q"

    _print(review_contamination(folder, file, ask, _print))


@app.command()
def mine(
    folder: RunFolder,
    source: Annotated[str, typer.Option(help="The source to choose from.")],
    score: Annotated[str, typer.Option(help="The quality score to spread the choice over.")],
    to: Annotated[Path, typer.Option(help="A folder for the file of documents to judge.")],
    count: Annotated[int, typer.Option(help="How many documents.", min=1)] = 500,
    seed: Annotated[int, typer.Option(help="Another seed chooses other documents.")] = 0,
) -> None:
    """Choose documents to have judged, spread over a score, so that a scorer can be trained again on them.

    Example: midtrain mine runs/web --source web --score edu --to judged
    """
    from midtrain.recipe.curate import documents_to_judge

    _print(documents_to_judge(folder, source, score, count, to, seed))


@app.command()
def status(folder: RunFolder, json: Json = False) -> None:
    """Show which steps of a run are done, running or missing, and why.

    Example: midtrain status runs/quickstart
    """
    _quiet(json)
    from midtrain.recipe.run import run_status
    from midtrain.recipe.show import status_text

    found = run_status(folder)
    _print(jsonlib.dumps(found, indent=1) if json else status_text(found))


@app.command()
def stop(folder: RunFolder) -> None:
    """Ask a running recipe to save a checkpoint and stop.

    Example: midtrain stop runs/quickstart
    """
    from midtrain.recipe.run import stop_run

    _print(stop_run(folder))


@app.command()
def remix(
    folder: RunFolder,
    weights: Annotated[
        list[str], typer.Argument(help="The new mixture: a share for each source.", metavar="SOURCE=SHARE")
    ],
) -> None:
    """Ask a running recipe to go on with other mixture weights from its next block.

    Example: midtrain remix runs/quickstart code=0.5 problems=0.3 documentation=0.2
    """
    from midtrain.recipe.run import remix_run

    _print(remix_run(folder, weights))


@app.command()
def report(folder: RunFolder, json: Json = False) -> None:
    """Write the report of a finished run again, and say where it is.

    Example: midtrain report runs/quickstart
    """
    _quiet(json)
    from midtrain.recipe.run import write_report_again

    path, scores = write_report_again(folder)
    _print(jsonlib.dumps(scores, indent=1) if json else f"The report is at {path}")


@app.command()
def inspect(
    folder: RunFolder,
    step: Annotated[int, typer.Option(help="The optimizer step, from 1.", min=1)],
    stage: Annotated[str | None, typer.Option(help="The stage (default: the first).")] = None,
    arm: Annotated[str, typer.Option(help="ours or control.")] = "ours",
    seed: Annotated[int | None, typer.Option(help="The seed (default: the first).")] = None,
    text: Annotated[bool, typer.Option(help="Show the text of each span.")] = True,
    json: Json = False,
) -> None:
    """Print the documents and spans behind one training step.

    Example: midtrain inspect runs/quickstart --step 12 --stage anneal
    """
    _quiet(json)
    from midtrain.recipe.inspect import inspect_step
    from midtrain.recipe.show import inspect_text

    found = inspect_step(folder, step=step, stage=stage, arm=arm, seed=seed, text=text)
    _print(jsonlib.dumps(found, indent=1, ensure_ascii=False) if json else inspect_text(found))


@app.command()
def export(
    folder: RunFolder,
    to: Annotated[Path, typer.Argument(help="A new folder for the model.", metavar="FOLDER")],
    arm: Annotated[str, typer.Option(help="ours or control.")] = "ours",
    seed: Annotated[int | None, typer.Option(help="The seed (default: the first).")] = None,
) -> None:
    """Copy a finished model out of a run, as a Hugging Face folder.

    Example: midtrain export runs/quickstart ./better-base
    """
    from midtrain.recipe.export import export_model

    _print(export_model(folder, to, arm, seed))


@app.command()
def merge(
    config: Annotated[Path, typer.Argument(help="What to merge and how (YAML).", metavar="CONFIG")],
    out: Annotated[Path, typer.Option(help="A new folder for the merged model.")],
    set_: Set = None,
) -> None:
    """Merge models in weight space: linear, slerp, task_arithmetic, ties, dare_linear or dare_ties.

    Example: midtrain merge soup.yaml --out merged
    """
    from midtrain.recipe.merge import merge_models

    _print(merge_models(config, out, set_))


@app.command()
def verify(
    answers: Annotated[Path, typer.Argument(help="Answers, a JSON object a line: completion, problem (or gold, ...).")],
    problems: Annotated[Path | None, typer.Option(help="The problems they answer (JSON lines).")] = None,
    out: Annotated[Path | None, typer.Option(help="Where each answer's verdict is written (JSON lines).")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that judge (default: one for each CPU).", min=1)
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="A file that remembers verdicts between runs.")] = None,
    allow_unsafe: Annotated[
        bool, typer.Option("--allow-unsafe", help="Run programs even where this machine cannot isolate them.")
    ] = False,
    json: Json = False,
) -> None:
    """Judge a file of answers: a verdict for each, and a table of causes.

    Example: midtrain verify answers.jsonl --problems problems.jsonl --out verdicts.jsonl
    """
    _quiet(json)
    from midtrain.verify.check_file import check_file
    from midtrain.verify.pool import Pool
    from midtrain.verify.sandbox.config import SandboxConfig
    from midtrain.verify.sandbox.levels import configure
    from midtrain.verify.show import tally_text

    with configure(SandboxConfig(allow_unsafe=allow_unsafe)), Pool(workers=workers, cache=cache) as pool:
        tally = check_file(answers, problems, out, pool)
    _print(jsonlib.dumps(tally.to_json(), indent=1) if json else tally_text(tally, str(out) if out else None))


@problems_app.command()
def make(
    out: Annotated[Path, typer.Argument(help="Where they are written (JSON lines; .gz packs them).", metavar="FILE")],
    count: Annotated[str, typer.Option(help="How many, such as 10k.")] = "1k",
    family: Annotated[
        list[str] | None, typer.Option(help="A family or a set of them (repeatable; default: all).")
    ] = None,
    lang: Annotated[list[str] | None, typer.Option(help="A language (repeatable; default: en).")] = None,
    difficulty: Annotated[list[int] | None, typer.Option(help="1, 2 or 3 (repeatable; default: all).")] = None,
    split: Annotated[str, typer.Option(help="train or evaluation; no operands are on both sides.")] = "train",
    wording: Annotated[str, typer.Option(help="seen, or held_out (for evaluation).")] = "seen",
    seed: Annotated[int, typer.Option(help="Another seed draws other problems.")] = 0,
    steps: Annotated[bool, typer.Option(help="With worked solutions.")] = True,
) -> None:
    """Make problems with exact answers and worked solutions.

    Example: midtrain problems make problems.jsonl --count 10k --family add --lang sw
    """
    from midtrain.verify.make import make_file

    asked = {"languages": lang, "difficulty": difficulty}
    given = {
        "families": family or "all",
        "count": count,
        "split": split,
        "wording": wording,
        "seed": seed,
        "steps": steps,
    }
    written = make_file(out, given | {name: value for name, value in asked.items() if value})
    _print(f"{written:,} problems are in {out}")


@problems_app.command()
def show(
    family: Annotated[
        str | None, typer.Argument(help="A family, or a file of problems (default: lists families).")
    ] = None,
    count: Annotated[int, typer.Option(help="How many problems.", min=1)] = 3,
    lang: Annotated[str | None, typer.Option(help="The language.")] = None,
    json: Json = False,
) -> None:
    """List the families of problems, or show some of one family or file.

    Example: midtrain problems show story_boxes --count 5
    """
    from midtrain.verify.files import problem_row
    from midtrain.verify.generate import families
    from midtrain.verify.make import samples
    from midtrain.verify.show import families_text, problems_text

    if family is None:
        known = families()
        facts = {name: {"description": one.description, "verifier": one.verifier} for name, one in known.items()}
        _print(jsonlib.dumps(facts, indent=1) if json else families_text(known.values()))
        return
    shown = samples(family, count, lang)
    rows = [problem_row(problem) for problem in shown]
    _print(jsonlib.dumps(rows, indent=1, ensure_ascii=False) if json else problems_text(shown))


@problems_app.command(name="export")
def export_problems(
    problems: Annotated[Path, typer.Argument(help="A file of problems.")],
    to: Annotated[Path, typer.Argument(help="Where to write (JSON lines; .gz packs them).", metavar="FILE")],
    form: Annotated[str, typer.Option(help="text, chat, or steps (right and wrong, for process rewards).")] = "text",
    seed: Annotated[int, typer.Option(help="Draws where wrong solutions go wrong.")] = 0,
) -> None:
    """Write problems in a form that other tools read.

    Example: midtrain problems export problems.jsonl steps.jsonl --form steps
    """
    from midtrain.verify.make import export_file

    _print(f"{export_file(problems, form, to, seed):,} rows are in {to}")


@app.command()
def doctor(json: Json = False) -> None:
    """Check what this machine has and how fast it is.

    Example: midtrain doctor
    """
    _quiet(json)
    from midtrain.recipe.doctor import examine
    from midtrain.recipe.show import doctor_text

    found = examine()
    _print(jsonlib.dumps(found, indent=1) if json else doctor_text(found))


@app.command()
def schema() -> None:
    """Print the recipe's JSON schema, for editors.

    Example: midtrain schema > recipe.schema.json
    """
    from midtrain.recipe.load import json_schema

    _print(json_schema().rstrip())


def _quiet(json: bool) -> None:
    from midtrain.core.progress import be_quiet

    be_quiet(json)


def _print(text: Any) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # who read it (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the command line; what a person did wrong is one sentence and exit code 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what is half-made is removed
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_UPDATE_CHECK", "1")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    try:
        app()
    except MidtrainError as error:
        print(f"midtrain: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as end:  # Ctrl-C reaches us as the exit code that typer makes of it
        if isinstance(end, SystemExit) and end.code != 130:
            raise
        print("midtrain: interrupted; run the same command again to go on.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
