"""midtrain: from a base language model and a token budget to a better base model, with the evidence."""

__version__ = "0.1.0"
