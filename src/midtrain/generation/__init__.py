"""Floor 3: text from models: requests, completions, the local engine."""
