"""Floor 7: the recipe: its schema, the plan, the step graph, the run."""
