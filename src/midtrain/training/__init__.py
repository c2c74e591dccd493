"""Floor 4: schedules, the optimizer, the loop, checkpoints."""
