"""Floor 8: the command ``partita``, one file a command."""
