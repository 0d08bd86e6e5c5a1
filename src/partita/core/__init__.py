"""Floor 0: errors, the current call, clock, ids, blocking, settings, secrets. Imports nothing of Partita's."""
