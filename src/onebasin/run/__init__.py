"""One run: from a config to tables, step by step."""
