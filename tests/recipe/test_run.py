"""The whole way, once and for real: run, run again, change a field, stop, go on, look."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml

from midtrain.core.artifact import Artifact
from midtrain.core.errors import CheckFailed, UserError
from midtrain.core.run import Journal, lock_file
from midtrain.recipe.export import export_model
from midtrain.recipe.graph import build_graph
from midtrain.recipe.inspect import inspect_step
from midtrain.recipe.load import load_recipe
from midtrain.recipe.run import Outcome, remix_run, run_recipe, run_status, write_report_again

STAGES = ("anneal", "longer")


def test_a_run_ends_with_scores_and_a_report(small_run):
    out, outcome = small_run
    scores = json.loads((out / "scores.json").read_text())
    assert outcome.scores == scores
    assert list(scores["capabilities"]) == ["bpb/old", "bpb/new", "problems/sums", "problems/sums (bpb)"]
    for row in scores["capabilities"].values():
        assert {"parent", "control", "ours", "stderr", "n", "vs_parent", "vs_control"} <= row.keys()
        assert row["vs_parent"] in ("better", "worse", "unranked")
    assert scores["capabilities"]["bpb/old"]["ours"] < scores["capabilities"]["bpb/old"]["parent"]
    page = (out / "report.html").read_text()
    assert "small" in page
    assert "<script src=" not in page


def test_the_control_had_the_same_tokens_and_only_the_old_data(small_run):
    out, _ = small_run
    for stage in STAGES:
        ours, control = (
            Artifact.open(next((out / "artifacts" / "train" / arm / "seed-0" / stage).iterdir()))
            for arm in ("ours", "control")
        )
        assert ours.counts["steps"] == control.counts["steps"] > 0
        for entry in Journal(control.path / "journal.jsonl").read("metrics"):
            assert set(entry["source_loss"]) == {"old"}


def test_an_export_opens_in_plain_transformers_with_the_new_rope(small_run):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out, _ = small_run
    folder = next((out / "artifacts" / "export" / "ours" / "seed-0").iterdir()) / "model"
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.config.max_position_embeddings == 128
    assert model.config.rope_parameters["rope_theta"] == 20000
    assert AutoTokenizer.from_pretrained(folder)("the model")["input_ids"]


def test_a_model_is_taken_out_with_a_card_that_says_what_it_is_worth(small_run, tmp_path):
    from transformers import AutoModelForCausalLM

    out, outcome = small_run
    said = export_model(out, tmp_path / "model", "control", 1)
    assert said == f"The model is at {tmp_path / 'model'}"
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "model").config.max_position_embeddings == 128
    card = (tmp_path / "model" / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front == {
        "base_model": "a model initialised at random",
        "library_name": "transformers",
        "tags": ["midtrain"],
    }
    assert "The control" in card
    for name, row in outcome.scores["capabilities"].items():
        assert f"| {name} |" in card
        if row["metric"] == "bits_per_byte":
            assert f"{row['control']:.3f}" in card
    assert "name: small" in card.split("```yaml")[1]
    with pytest.raises(UserError, match="exists already"):
        export_model(out, tmp_path / "model", "ours", 0)
    with pytest.raises(UserError, match="the seeds"):
        export_model(out, tmp_path / "other", "ours", 7)


def test_a_remix_must_be_shares_that_sum_to_one(small_run):
    out, _ = small_run
    assert remix_run(out, ["old=0.5", "new=0.5"]) == f"Nothing is being trained in {out}."
    with pytest.raises(UserError, match=r"sum to 0\.8"):
        remix_run(out, ["old=0.5", "new=0.3"])
    with pytest.raises(UserError, match='"old" is not a share'):
        remix_run(out, ["old", "new=1"])


def test_running_again_does_nothing(small_run, small_recipe):
    out, _ = small_run
    again = run_recipe(load_recipe(small_recipe), out)
    assert again.made == []
    assert again.scores is not None


def test_a_changed_field_runs_only_what_depends_on_it_and_says_why(small_run, small_recipe):
    out, _ = small_run
    changed = build_graph(load_recipe(small_recipe, ["stages.longer.schedule.peak=2e-3"]), out)
    missing = {state.step.name: state.why for state in changed.states() if not state.done}
    assert missing.pop("train/ours/seed-0/longer") == "stage.schedule.peak: 0.001 -> 0.002"
    assert all(name.split("/")[0] in ("train", "export", "evaluate", "scores", "report") for name in missing)
    assert "train/ours/seed-0/anneal" not in missing
    assert "evaluate/parent" not in missing

    logging = build_graph(load_recipe(small_recipe, ["stages.anneal.log_every=1"]), out)
    assert [state.step.name for state in logging.states() if not state.done] == ["report"]

    guard = build_graph(load_recipe(small_recipe, ["guard.budgets={bpb/old: 0.4}"]), out)
    assert [state.step.name for state in guard.states() if not state.done] == ["scores", "report"]


def test_status_names_every_step(small_run):
    out, _ = small_run
    found = run_status(out)
    assert {step["state"] for step in found["steps"]} == {"done"}
    names = [step["step"] for step in found["steps"]]
    assert names.index("documents/old") < names.index("tokens/old") < names.index("train/ours/seed-0/anneal")


def test_inspect_shows_the_documents_that_were_trained_on(small_run):
    out, _ = small_run
    found = inspect_step(out, step=3, stage="anneal", arm="ours", seed=1, text=True)
    assert found["steps"] == 16
    assert sum(span["length"] for span in found["spans"]) <= 512
    sources = {span["source"] for span in found["spans"]}
    assert sources <= {"old", "new", "sums"}
    old = [span for span in found["spans"] if span["source"] == "old"]
    assert any(word in old[0]["text"] for word in ("model", "page", "text", "rate", "the"))
    with pytest.raises(UserError, match="there is no step 17"):
        inspect_step(out, step=17, stage="anneal", arm="ours", seed=1, text=False)
    with pytest.raises(UserError, match='no stage "aneal"'):
        inspect_step(out, step=1, stage="aneal", arm="ours", seed=1, text=False)


def test_a_second_stage_goes_on_in_the_documents_of_the_first(small_run):
    out, _ = small_run
    read = {}
    for stage, steps in (("anneal", 16), ("longer", 4)):
        for step in range(1, steps + 1):
            for span in inspect_step(out, step=step, stage=stage, arm="ours", seed=0, text=False)["spans"]:
                if span["source"] == "new":
                    for token in range(span["start"], span["start"] + span["length"]):
                        key = (span["document"], token)
                        read[key] = read.get(key, 0) + 1
    assert max(read.values()) - min(read.values()) <= 1  # no token is read twice more than another


def test_the_report_can_be_written_again(small_run):
    out, _ = small_run
    (out / "report.html").unlink()
    path, scores = write_report_again(out)
    assert path.exists()
    assert scores["target"]["capability"] == "bpb/new"


def test_a_folder_of_something_else_is_left_alone(small_run, small_recipe, tmp_path):
    out, _ = small_run
    recipe = load_recipe(small_recipe)
    with pytest.raises(UserError, match='holds a run of the recipe "small"'):
        run_recipe(recipe.model_copy(update={"name": "other"}), out)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty and holds no run"):
        run_recipe(recipe, tmp_path)
    assert os.listdir(tmp_path) == ["notes.txt"]
    handle = lock_file(out / "lock", "held")
    with pytest.raises(UserError, match="is being worked on"):
        run_recipe(recipe, out)
    os.close(handle)


@pytest.mark.parametrize(
    ("overrides", "until"),
    [
        (["sources.old.read=/absent"], None),
        ([], "tokn"),
        (["control.weights={old: 0.5}"], None),
    ],
)
def test_a_refused_run_writes_nothing(small_run, small_recipe, tmp_path, overrides, until):
    out, _ = small_run
    before = (out / "recipe.yaml").read_text()
    for folder in (out, tmp_path / "new"):
        with pytest.raises(UserError):
            run_recipe(load_recipe(small_recipe, overrides), folder, until)
    assert (out / "recipe.yaml").read_text() == before
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_place_of_the_run_folder_is_one_sentence(small_recipe):
    for out in (small_recipe, small_recipe / "run"):
        with pytest.raises(UserError, match="cannot be made"):
            run_recipe(load_recipe(small_recipe), out)


def test_the_report_is_not_written_while_the_run_is_worked_on(small_run):
    out, _ = small_run
    handle = lock_file(out / "lock", "held")
    with pytest.raises(UserError, match="is being worked on"):
        write_report_again(out)
    os.close(handle)
    assert {step["state"] for step in run_status(out)["steps"]} == {"done"}


def test_a_missing_file_of_the_scores_is_one_sentence(small_run, small_recipe, tmp_path):
    out, _ = small_run
    shutil.copytree(out, tmp_path / "run")
    next((tmp_path / "run" / "artifacts" / "scores").glob("*/scores.json")).unlink()
    with pytest.raises(UserError, match=r"scores\.json is missing"):
        run_recipe(load_recipe(small_recipe), tmp_path / "run")
    with pytest.raises(UserError, match=r"scores\.json is missing"):
        write_report_again(tmp_path / "run")


def test_stages_that_pack_differently_do_not_share_their_windows(small_recipe, tmp_path):
    overrides = ["stages.longer.context=64", "stages.longer.packing.group=7"]
    steps = build_graph(load_recipe(small_recipe, overrides), tmp_path).steps
    packed = {name: step.asked["packing"]["group"] for name, step in steps.items() if name.startswith("packed/old")}
    assert sorted(packed.values()) == [7, 8192]
    needs = {stage: set(steps[f"train/ours/seed-0/{stage}"].needs) & packed.keys() for stage in STAGES}
    assert {packed[name] for name in needs["anneal"]} == {8192}
    assert {packed[name] for name in needs["longer"]} >= {7}


def test_a_broken_guard_and_a_missed_target_are_failed_checks(small_run):
    out, outcome = small_run
    broken = {**outcome.scores, "guard": {**outcome.scores["guard"], "broken": ["bpb/old"]}}
    with pytest.raises(CheckFailed, match="guard is broken: bpb/old"):
        Outcome(out, scores=broken).check()
    missed = {**outcome.scores, "target": {**outcome.scores["target"], "reached": False}}
    with pytest.raises(CheckFailed, match="target was missed: bpb/new"):
        Outcome(out, scores=missed).check()


def command(*words):
    return [sys.executable, "-m", "midtrain.cli", *map(str, words)]


def wait_for_step(out, pattern, least, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for journal in out.glob(f"artifacts/{pattern}/*/journal.jsonl"):
            entries = Journal(journal).read("metrics")
            if entries and entries[-1]["step"] >= least:
                return
        time.sleep(0.02)
    raise AssertionError("the run did not get there")


def test_ctrl_c_saves_a_checkpoint_and_the_run_goes_on_to_the_same_weights(small_run, small_recipe, tmp_path):
    straight, _ = small_run
    out = tmp_path / "run"
    shutil.copytree(straight, out, ignore=shutil.ignore_patterns("train", "export", "evaluate", "scores", "report*"))
    # More steps than in the other tests would be wanted to be stopped in: the learning is slowed instead.
    overrides = ["--set", "stages.anneal.checkpoint_every=1000", "--set", "stages.anneal.log_every=1"]
    words = command("run", small_recipe, "--out", out, "--until", "train/ours/seed-0/anneal", *overrides)
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment)
    wait_for_step(out, "train/ours/seed-0/anneal", 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "with a checkpoint" in said
    assert "Traceback" not in said
    states = {step["step"]: step for step in run_status(out)["steps"]}
    assert states["train/ours/seed-0/anneal"]["state"] == "stopped"
    subprocess.run(words, check=True, env=environment, capture_output=True)
    mine, theirs = (
        next(
            folder.glob("artifacts/train/ours/seed-0/anneal/*/checkpoints/step-00000016/model.safetensors")
        ).read_bytes()
        for folder in (out, straight)
    )
    assert mine == theirs


def test_ctrl_c_outside_of_training_is_one_sentence_and_leaves_nothing(small_recipe, tmp_path):
    words = command("run", small_recipe, "--out", tmp_path / "run", "--until", "packed")
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "recipe.yaml").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "midtrain: interrupted; run the same command again to go on."
    assert "Traceback" not in said
    assert not list((tmp_path / "run").rglob(".making-*"))


def test_a_reader_that_has_seen_enough_is_no_failed_check(small_run):
    out, _ = small_run
    words = " ".join(command("status", out))
    done = subprocess.run(
        ["bash", "-c", f"{words} | true; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("run", "absent.yaml"), "There is no recipe at absent.yaml"),
        (("status", "absent"), "absent is not a run folder"),
        (("plan", "{recipe}", "--set", "stages.aneal.tokens=1"), 'Did you mean "anneal"'),
        (("run", "{recipe}", "--out", "{tmp}/r", "--until", "tokn"), 'There is no step "tokn"'),
        (("run", "{recipe}", "--out", "{tmp}/r", "--set", "stages.longer.rope=null"), "beyond the 64 positions"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(small_recipe, tmp_path, words, expected):
    filled = [word.format(recipe=small_recipe, tmp=tmp_path) for word in words]
    done = subprocess.run(command(*filled), capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
