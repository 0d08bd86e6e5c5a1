"""Floor 2: tokens and access rules."""
