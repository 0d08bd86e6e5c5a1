"""Systems that show how Partita is used."""
