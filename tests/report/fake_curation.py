"""A made-up curation: a source that loses at every step, one of generated problems, scorers, clusters, a benchmark."""

from midtrain.report.inputs import Curation, CurationInputs, CurationRecord

EVIL = "<script>alert('no')</script>"


def histogram(column, at_least=None, at_most=None, dropped=(0, 0, 10, 20), kept=(50, 30, 0, 0), edges=(0, 1, 2, 3, 4)):
    """A histogram of four bins."""
    return {
        "column": column,
        "at_least": at_least,
        "at_most": at_most,
        "edges": list(edges),
        "kept": list(kept),
        "dropped": list(dropped),
    }


def language(code, documents, size, uncertain=0):
    """A row of the languages' report, all kept."""
    return {
        "language": code,
        "documents": documents,
        "bytes": size,
        "kept": documents,
        "kept_bytes": size,
        "uncertain": uncertain,
        "confidence": 0.9,
    }


def web():
    """1,000 rows: 100 are copies, 300 are filtered, 60 near-duplicates, 39 contaminated, 1 is empty once cut."""
    filtered = {"rule: short": 180, "rule: loud": 120, "rule: never": 0}
    drops = {
        "rule: short": 180,
        "rule: loud": 120,
        "near-duplicate of a document in web": 60,
        "contaminated: sums <b>hard</b> (question)": 39,
        "nothing left after cutting and masking": 1,
    }
    samples = {
        "kept": [{"id": "k1", "text": f"a good text {EVIL}"}],
        **{f"dropped: {reason}": [{"id": f"d{i}{k}", "text": f"{reason} text {k}"} for k in range(9)]
           for i, reason in enumerate(drops)},
    }  # fmt: skip
    histograms = [histogram("few", at_least=1.0, dropped=(5, 0, 0, 0)), histogram("many", at_most=2.0)]
    return CurationRecord(
        documents={
            "counts": {"rows_in": 1000, "documents": 900, "bytes_train": 80_000, "bytes_heldout": 10_000},
            "drops": {"duplicate": 90, "missing text": 10},
        },
        filter={
            "counts": {"documents": 900, "kept": 600, "bytes": 90_000, "bytes_kept": 60_000},
            "drops": filtered,
            "facts": {
                "derived": [
                    {"language": "l3", "documents": 30, "thresholds": {"few_words": [50, 12.0]}},
                    {"language": "l4", "documents": 30, "thresholds": {}},
                ],
                "kept_by": [{"score": "likes", "asked": "good with a chance of 0.8", "threshold": 0.6312}],
                "histograms": [*histograms, histogram("idle", at_most=4.0, dropped=(30, 0, 0, 0))],
                "languages": [language(f"l{i}", 30, 9000 - i, uncertain=i) for i in range(14)],
            },
        },
        curated={
            "counts": {"documents": 500, "bytes_train": 45_000, "bytes_heldout": 4_000, "rewritten": 7},
            "drops": drops,
            "facts": {
                "bytes_dropped": dict(zip(drops, (20_000, 10_000, 6_000, 4_000), strict=False)),
                "lines": {"no end of a sentence": 31, "javascript": 0},
                "masked": {"email": 5, "card": 0},
            },
            "samples": samples,
        },
        scorers={
            "likes": {
                "kind": "fasttext",
                "trained_on": 400,
                "documents": 100,
                "good": 0.25,
                "auc": 0.873,
                "error_raw": None,
                "error": 0.051,
                "sweep": [{"threshold": 0.5, "kept": 0.4, "precision": 0.55, "recall": 0.88, "f1": 0.68}],
            },
            "unmeasured": {"kind": "closeness", "examples": 3, "source": 10},
        },
    )


def problems():
    """Generated problems: looked through for evaluation items, not measured."""
    return CurationRecord(
        documents={
            "counts": {"rows_in": 200, "documents": 200, "bytes_train": 9_000, "bytes_heldout": 1_000},
            "drops": {},
        },
        curated={
            "counts": {"documents": 200, "bytes_train": 9_000, "bytes_heldout": 1_000},
            "drops": {},
            "facts": {"bytes_dropped": {}, "masked": {}},
            "samples": {},
        },
    )


def fake_curation():
    """The manifests of every step."""
    sample = {"source": "web", "row": 12, "kept": True, "similarity": 1.0, "text": f"one {EVIL}"}
    found = {"benchmark": "sums <b>hard</b>", "source": "web", "kind": "question", "documents": 39, "items": 20,
             "share_of_items": 0.1, "bytes": 3000, "dropped": 39}  # fmt: skip
    nothing = {"source": None, "kind": None, "documents": 0, "items": 0, "share_of_items": 0, "bytes": 0, "dropped": 0}
    return Curation(
        records={"web": web(), "sums": problems()},
        duplicates={
            "counts": {"candidates": 140, "clusters": 50, "passages web": 8, "passage bytes web": 640},
            "facts": {
                "biggest": [
                    {"documents": 11, "kept": 1, "samples": [sample, {**sample, "kept": False, "similarity": 0.86}]}
                ],
                "shares": {"web": 0.067},
            },
        },
        contamination={
            "counts": {"items": 230, "matches": 41},
            "facts": {"audit": [found, {"benchmark": "riddles", **nothing}], "unsought": {"riddles": 4}},
        },
    )


def fake_page_inputs(curation=None):
    """Inputs of a page of curation alone."""
    return CurationInputs(
        name="web-only",
        description=f"Curated {EVIL}",
        recipe="name: web-only\n",
        curation=curation or fake_curation(),
        libraries={"midtrain": "0.1.0"},
        commands=["midtrain curate web-only.yaml"],
    )
