"""One file per comparison: ours and the peer on the same work, side by side in one run."""
