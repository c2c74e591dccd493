"""Floor 1: tokenizer and chat template, load, export, parity, attention, RoPE, loss."""
