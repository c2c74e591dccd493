"""Floor 3: documents to tokens to packed instances to a time-varying mixture to batches."""
