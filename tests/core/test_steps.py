import pytest

from midtrain.core.artifact import Draft
from midtrain.core.errors import UserError
from midtrain.core.steps import Step, Steps


def graph(root, ran, *, first=1, second="x", version=1):
    def make(name, text):
        def go(draft, inputs):
            ran.append(name)
            seen = ",".join(sorted(inputs))
            (draft.path / "out").write_text(f"{text}<{seen}>")

        return go

    def watched(run, inputs):
        ran.append("train/a")
        (run.path / "out").write_text("trained")
        return Draft(run.path, counts={"steps": 2})

    return Steps(
        root,
        [
            Step("documents/a", 1, {"first": first}, (), make("documents/a", "docs")),
            Step("documents/b", 1, {}, (), make("documents/b", "docs")),
            Step(
                "tokens/a",
                version,
                {"second": second},
                ("documents/a",),
                make("tokens/a", "tokens"),
                aliases={"documents/a": "documents"},
            ),
            Step("train/a", 1, {}, ("tokens/a", "documents/b"), watched, watched=True),
        ],
    )


def test_what_exists_is_not_made_again_and_what_changed_is_told(tmp_path):
    ran = []
    graph(tmp_path, ran).run()
    assert ran == ["documents/a", "documents/b", "tokens/a", "train/a"]
    ran.clear()
    graph(tmp_path, ran).run()
    assert ran == []

    changed = graph(tmp_path, ran, second="y")
    assert [(s.step.name, s.why) for s in changed.states() if not s.done] == [
        ("tokens/a", 'second: "x" -> "y"'),
        ("train/a", "tokens/a changed"),
    ]
    changed.run()
    assert ran == ["tokens/a", "train/a"]
    ran.clear()
    graph(tmp_path, ran).run()  # going back costs nothing
    assert ran == []
    assert graph(tmp_path, ran, version=2).states()[2].why == "version 1 -> 2"


def test_inputs_go_by_their_alias(tmp_path):
    made = graph(tmp_path, []).run("tokens/a")
    assert (made["tokens/a"].path / "out").read_text() == "tokens<documents>"


def test_until_runs_only_what_the_step_needs(tmp_path):
    ran = []
    graph(tmp_path, ran).run("tokens")
    assert ran == ["documents/a", "tokens/a"]
    with pytest.raises(UserError, match='no step "tokns"'):
        graph(tmp_path, ran).until("tokns")


def test_a_failed_step_leaves_the_finished_ones(tmp_path):
    ran = []
    steps = graph(tmp_path, ran)
    broken = Steps(
        tmp_path, [*list(steps.steps.values())[:2], Step("tokens/a", 1, {}, (), lambda draft, inputs: 1 / 0)]
    )
    with pytest.raises(ZeroDivisionError):
        broken.run()
    assert [s.done for s in graph(tmp_path, ran).states()] == [True, True, False, False]
