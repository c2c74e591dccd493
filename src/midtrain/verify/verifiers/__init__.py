"""What says whether an answer is right: one function each, by name in `registry`."""
