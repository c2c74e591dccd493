"""The report shows no personal data that the recipe masks, not in samples of the reading either."""

from midtrain.core.config import parse
from midtrain.recipe.report_inputs import _shown
from midtrain.recipe.schema import DocumentsConfig


def test_samples_of_the_reading_are_masked_where_curation_masks():
    samples = {"documents": [{"id": "a", "text": "ask ana.berg@postwerk.de"}], "dropped: x": ["b@postwerk.de", 1]}
    manifest = {"counts": {"rows_in": 2}, "samples": samples}
    sources = {"plain": {"read": "x"}, "masked": {"read": "x", "curate": {"pii": {}}}}
    recipe = parse(DocumentsConfig, {"name": "r", "sources": sources}, "test")
    assert _shown(recipe, "plain", manifest) == manifest
    found = _shown(recipe, "masked", manifest)
    assert found["samples"]["documents"] == [{"id": "a", "text": "ask email@example.com"}]
    assert found["samples"]["dropped: x"] == ["email@example.com", 1]
    assert found["counts"] == {"rows_in": 2}
