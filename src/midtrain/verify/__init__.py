"""Floor 2: verdicts, and problems with exact answers."""
