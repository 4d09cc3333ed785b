"""How reviews follow what happens to their incidents. Only writes rows."""
