"""Steps that curate: scorers, attributes, filter, duplicates, contamination, curated documents.

Rooms are imported when a step is made, as everywhere in the recipe, so that naming the graph is instant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midtrain.core.artifact import Artifact, Draft
from midtrain.core.fingerprint import file_digest
from midtrain.core.progress import say
from midtrain.documents.curation.config import CurateConfig
from midtrain.documents.decontamination.config import DecontaminateConfig, ItemsConfig
from midtrain.documents.deduplication.config import DeduplicateConfig, NearConfig
from midtrain.documents.quality.config import QualityConfig, ScorerConfig

if TYPE_CHECKING:
    import pyarrow as pa

    from midtrain.documents.curation.attributes import Attributes
    from midtrain.documents.curation.masking import Masking
    from midtrain.documents.curation.reasons import Reasons
    from midtrain.documents.decontamination.items import Item
    from midtrain.documents.decontamination.review import Verdicts
    from midtrain.documents.deduplication.collection import Collection
    from midtrain.documents.deduplication.passages import Spans
    from midtrain.verify.traces.config import TracesConfig

NEAR = "near.parquet"
FOUND, ITEMS, CONTAMINATED = "found.parquet", "items.json", "contaminated.json"


# ---- what is asked beside the settings: which files are meant


def measured_asked(config: CurateConfig) -> dict[str, Any]:
    """What of `config` decides the attributes: no threshold does. Of scorers, see `scorers_asked`."""
    from midtrain.documents.quality.languages import check_languages, describe_languages
    from midtrain.text.statistics import VERSION as STATISTICS_VERSION

    if config.languages is not None and (config.languages.keep != "all" or config.languages.languages):
        check_languages(config.languages)
    return {
        "licenses": config.licenses is not None,
        "languages": config.languages and describe_languages(config.languages),
        "rules": config.rules is not None and STATISTICS_VERSION,
        "pii": config.pii and {"reserved_ips": config.pii.reserved_ips},
    }


def scorers_asked(config: QualityConfig) -> dict[str, Any]:
    """The scorers' settings and the files behind them; what is kept by them is not asked."""
    from midtrain.documents.quality.identity import scorer_identity

    return {name: scorer_identity(one) for name, one in config.scorers.items()}


def items_identity(config: ItemsConfig) -> dict[str, Any]:
    """What names the content of a file of evaluation items; of it no more than the first row is read."""
    from midtrain.documents.collect import source_identity
    from midtrain.documents.config import SourceConfig
    from midtrain.documents.decontamination.items import check_items

    check_items(config)
    return source_identity(SourceConfig(read=config.read))


def verdicts_asked(config: DecontaminateConfig) -> dict[str, Any]:
    """What decides which matches drop a document: the kinds, and people's verdicts, which are read."""
    from midtrain.documents.decontamination.review import read_review

    path = None if config.verdicts is None else Path(config.verdicts).expanduser()
    if path is not None and path.is_file():
        read_review(path)
    known = None if path is None else file_digest(path) if path.is_file() else "none yet"
    return {"drop": list(config.drop), "verdicts": known}


def hidden_asked(curation: Mapping[str, CurateConfig | None]) -> dict[str, Any]:
    """{hidden: by source the personal data that samples and excerpts must not show}; empty when nothing is hidden."""
    pii = {name: config.pii for name, config in curation.items() if config is not None and config.pii is not None}
    found = {name: [*one.kinds("mask"), *one.kinds("drop")] for name, one in pii.items()}
    hidden = {name: [*kinds, pii[name].reserved_ips] for name, kinds in found.items() if kinds}
    return {"hidden": hidden} if hidden else {}


# ---- makers


def make_scorers(config: QualityConfig, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Fit the scorers that must be fitted, each in a folder of its name."""
    from midtrain.documents.quality.scorers import fit_scorer, must_fit

    for name, scorer in config.scorers.items():
        if must_fit(scorer):
            folder = draft.path / name
            folder.mkdir()
            sample = partial(_sample, inputs["documents"].path, getattr(scorer, "sample", 0))
            draft.facts[name] = fit_scorer(scorer, folder, sample)


def _sample(path: Path, count: int) -> pa.Array:
    """About `count` training documents of a source: the first of each row group, so that all parts of it are seen."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from midtrain.documents.schema import content_of
    from midtrain.documents.store import Documents

    documents = Documents(path)
    groups = sum(pq.read_metadata(shard).num_row_groups for shard in documents.shards)
    each = -(-count // groups)
    parts = [content_of(table.slice(0, each)) for table in documents.tables("train", ["text", "messages"])]
    return pa.concat_arrays([pa.array(part.to_pylist(), pa.large_string()) for part in parts]).slice(0, count)


def make_attributes(
    name: str,
    config: CurateConfig,
    near: NearConfig | None,
    traces: TracesConfig | None,
    draft: Draft,
    inputs: dict[str, Artifact],
) -> None:
    """Measure the documents of a source in one pass."""
    from midtrain.documents.curation.annotate import annotate
    from midtrain.documents.curation.measures import Measures
    from midtrain.documents.store import Documents

    scorers = inputs["scorers"].path.absolute() if "scorers" in inputs else None
    measures: Callable[[], list[Any]] = Measures(config, near, scorers)
    if traces is not None:
        from midtrain.recipe.make_traces import TraceMeasures

        measures = TraceMeasures(Measures(config, near, scorers), traces)
    annotate(Documents(inputs["documents"].path), measures, draft, f"attributes {name}")


def make_filter(
    name: str, config: CurateConfig, traces: TracesConfig | None, draft: Draft, inputs: dict[str, Artifact]
) -> None:
    """Decide by attributes which documents of a source stay."""
    from midtrain.documents.curation.checks import checks_of, languages_of, scores_of, watched_of, with_derived_rules
    from midtrain.documents.curation.filter import filter_documents
    from midtrain.documents.quality.ensemble import thresholds_of

    attributes = _attributes(inputs["documents"], inputs["attributes"])
    config, draft.facts["derived"] = with_derived_rules(config, attributes)
    scores, thresholds = {}, []
    if config.quality is not None:
        scores = scores_of(config.quality, attributes)
        fitted = inputs["scorers"].manifest["facts"] if "scorers" in inputs else {}
        thresholds = thresholds_of(scores, config.quality, fitted)
        draft.facts["kept_by"] = [
            {"score": keep.score, "asked": keep.asked, "threshold": threshold if isfinite(threshold) else None}
            for keep, threshold in zip(config.quality.keep, thresholds, strict=True)
        ]
    checks = checks_of(config, scores, thresholds)
    if traces is not None:
        from midtrain.recipe.make_traces import trace_check

        checks.append(trace_check(traces))
    filter_documents(name, attributes, checks, watched_of(config, thresholds), draft)
    if config.languages is not None:
        draft.facts["languages"] = languages_of(config.languages, attributes)


def make_matches(
    config: DecontaminateConfig,
    problems: dict[str, Any],
    curation: Mapping[str, CurateConfig | None],
    draft: Draft,
    inputs: dict[str, Artifact],
) -> None:
    """Look for evaluation items in the documents of all sources (each with its curation), among what filters kept."""
    import pyarrow.parquet as pq

    from midtrain.documents.curation.filter import read_reasons
    from midtrain.documents.decontamination.index import Index
    from midtrain.documents.decontamination.search import search
    from midtrain.documents.store import Documents

    items = _items(config, problems)
    index = Index.build(items, config)
    among = {}
    for name in curation:
        filtered = inputs.get(f"filter/{name}")
        kept_N = None if filtered is None else read_reasons(filtered.path).reason_N < 0
        among[name] = Documents(inputs[f"documents/{name}"].path), kept_N
    found = search(index, among, _work(draft), _hidden(curation))
    pq.write_table(found, draft.path / FOUND)
    (draft.path / ITEMS).write_text(json.dumps(items))
    draft.counts.update(items=len(items), matches=len(found))
    draft.facts["unsought"] = index.unsought


def make_contamination(config: DecontaminateConfig, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Decide by kind of match and people's verdicts which documents hold an evaluation item."""
    import pyarrow.parquet as pq

    from midtrain.documents.decontamination.audit import audit, contaminated
    from midtrain.documents.decontamination.items import Item

    matches = inputs["matches"]
    found, verdicts = pq.read_table(matches.path / FOUND), _verdicts(config)
    items = [Item(*one) for one in json.loads((matches.path / ITEMS).read_text())]
    (draft.path / CONTAMINATED).write_text(json.dumps(contaminated(found, config, verdicts)))
    draft.counts.update(matches.counts)
    draft.facts.update(matches.manifest["facts"], audit=audit(found, items, config, verdicts).to_pylist())


def make_duplicates(
    config: DeduplicateConfig,
    curation: Mapping[str, CurateConfig | None],
    scorers: dict[str, ScorerConfig],
    draft: Draft,
    inputs: dict[str, Artifact],
) -> None:
    """Find near-duplicates and repeated passages over all sources, among what the steps before left."""
    import pyarrow.parquet as pq

    from midtrain.documents.deduplication.near import cluster
    from midtrain.documents.deduplication.substring import save_spans

    kept, names, hidden = {}, list(curation), _hidden(curation)
    for name in names:
        (draft.path / name).mkdir()
        kept[name] = _reasons(name, inputs[f"documents/{name}"], inputs[f"filter/{name}"], inputs).decision.reason_N < 0
    if config.near is not None:
        work = _work(draft)
        collections = [
            _collection(name, config, scorers.get(name), kept[name], hidden.get(name), work, inputs) for name in names
        ]
        clusters = cluster(collections, config, work)
        for name in names:
            pq.write_table(clusters.dropped[name], draft.path / name / NEAR)
            kept[name] = kept[name] & clusters.keep(name)
        draft.counts.update(candidates=clusters.candidates, clusters=clusters.clusters)
        draft.facts.update(biggest=clusters.biggest, shares=clusters.shares())
    if config.substring is not None:
        for name, found in _passages(config, kept, hidden, draft, inputs).items():
            save_spans(found, draft.path / name)
            draft.counts[f"passages {name}"] = len(found.rows_K)
            draft.counts[f"passage bytes {name}"] = int((found.ends_K - found.starts_K).sum())


def make_curated(name: str, config: CurateConfig, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Write the documents of a source that stay, passages and lines cut and personal data masked."""
    import pyarrow.parquet as pq

    from midtrain.documents.curation.apply import apply
    from midtrain.documents.curation.masking import hiding, masking
    from midtrain.documents.deduplication.substring import SPANS, load_spans

    reasons = _reasons(name, inputs["documents"], inputs.get("filter"), inputs)
    cuts = None
    if "duplicates" in inputs:
        folder = inputs["duplicates"].path / name
        if (folder / NEAR).exists():
            reasons.near_duplicates(pq.read_table(folder / NEAR))
        if (folder / SPANS).exists():
            cuts = load_spans(folder)
    rewrite, hide, label = masking(config.pii), hiding(config.pii), f"curated {name}"
    lines = config.lines == "c4"
    apply(reasons.documents, reasons.decision, draft, cuts=cuts, lines=lines, rewrite=rewrite, hide=hide, label=label)


# ---- parts of the makers


def _work(draft: Draft) -> Path:
    """The draft's folder for unfinished work."""
    assert draft.work is not None
    draft.work.mkdir(parents=True, exist_ok=True)
    return draft.work.absolute()


def _attributes(documents: Artifact, attributes: Artifact) -> Attributes:
    from midtrain.documents.curation.attributes import Attributes
    from midtrain.documents.store import Documents

    return Attributes(attributes.path, Documents(documents.path))


def _reasons(name: str, documents: Artifact, filtered: Artifact | None, inputs: dict[str, Artifact]) -> Reasons:
    """Why documents of a source go: what its filters said, then contamination."""
    from midtrain.documents.curation.filter import read_reasons
    from midtrain.documents.curation.reasons import Reasons
    from midtrain.documents.store import Documents

    reasons = Reasons(Documents(documents.path))
    if filtered is not None:
        reasons.take(read_reasons(filtered.path))
    if "contamination" in inputs:
        reasons.by_id(json.loads((inputs["contamination"].path / CONTAMINATED).read_text()))
    return reasons


def _hidden(curation: Mapping[str, CurateConfig | None]) -> dict[str, Masking]:
    """Of each source that says something about personal data, what masks it where documents are shown."""
    from midtrain.documents.curation.masking import hiding

    found = {name: hiding(config.pii) for name, config in curation.items() if config is not None}
    return {name: hide for name, hide in found.items() if hide is not None}


def _collection(
    name: str,
    config: DeduplicateConfig,
    scorer: ScorerConfig | None,
    kept_N: Any,
    hide: Masking | None,
    work: Path,
    inputs: dict[str, Artifact],
) -> Collection:
    """A source for the search for near-duplicates; what goes already is like no other document."""
    import numpy as np
    import pyarrow.compute as pc

    from midtrain.documents.curation.measures import read_band_keys
    from midtrain.documents.deduplication.collection import Collection, keys_on_disk, texts_of
    from midtrain.documents.quality.config import AttributesConfig
    from midtrain.documents.quality.scorers import PREFIX, attribute_scores

    assert config.near is not None
    attributes = _attributes(inputs[f"documents/{name}"], inputs[f"attributes/{name}"])
    bands = config.near.bands
    keys_BN = keys_on_disk(read_band_keys(attributes, bands), bands, len(kept_N), work / f"keys-{name}.u64")
    for band in range(bands):
        keys_BN[band, ~kept_N] = 0
    heldout = [
        pc.equal(table["split"], "heldout").to_numpy() for table in attributes.documents.tables(columns=["split"])
    ]
    quality_N = None
    if isinstance(scorer, AttributesConfig):
        quality_N = attribute_scores(scorer, attributes.documents)
    elif scorer is not None:
        quality_N = attributes.column(f"{PREFIX}{config.quality}")
    return Collection(
        name=name,
        keys_BN=keys_BN,
        bytes_N=attributes.column("bytes"),
        texts=texts_of(attributes.documents),
        quality_N=quality_N,
        heldout_N=np.concatenate(heldout),
        hide=hide.texts if hide is not None else None,
    )


def _passages(
    config: DeduplicateConfig,
    kept: dict[str, Any],
    hidden: Mapping[str, Masking],
    draft: Draft,
    inputs: dict[str, Artifact],
) -> dict[str, Spans]:
    """The repeated passages to cut, by source."""
    import numpy as np

    from midtrain.documents.deduplication.passages import Spans
    from midtrain.documents.deduplication.substring import Shard, find_repeats, load_spans
    from midtrain.documents.store import Documents

    work, shards, starts = _work(draft), [], []
    for name, kept_N in kept.items():
        for path, rows in Documents(inputs[f"documents/{name}"].path).slices():
            keep = work / f"keep-{name}-{path.stem}.npy"
            np.save(keep, kept_N[rows])
            shards.append(Shard(name, path.absolute(), keep, hidden.get(name)))
            starts.append(rows.start)
    found: dict[str, list[Spans]] = {name: [] for name in kept}
    for shard, start, folder in zip(shards, starts, find_repeats(shards, config, work), strict=True):
        spans = load_spans(folder)
        found[shard.source].append(spans._replace(rows_K=spans.rows_K + start))
    return {name: Spans(*map(np.concatenate, zip(*parts, strict=True))) for name, parts in found.items()}


def _items(config: DecontaminateConfig, problems: dict[str, Any]) -> list[Item]:
    """The evaluation items: of the recipe's own problems, and of files."""
    from midtrain.documents.decontamination.items import items_of, read_items
    from midtrain.evaluation.problem_sets import problems_of

    items = []
    for name, settings in problems.items():
        rows = [{"id": problem.id, **problem.parts} for problem in problems_of(settings)]
        items += items_of(rows, f"problems/{name}")
    for one in config.against:
        if isinstance(one, ItemsConfig):
            items += read_items(one)
    return items


def _verdicts(config: DecontaminateConfig) -> Verdicts | None:
    from midtrain.documents.decontamination.review import Verdicts, read_review

    if config.verdicts is None:
        return None
    path = Path(config.verdicts).expanduser()
    if not path.exists():
        say(f"No verdicts on matches yet: {path} does not exist (midtrain review makes it).")
        return None
    return Verdicts(read_review(path))
