"""Floor 4: the engines behind the ports: HTTP, PostgreSQL, SQLite. Each is imported by its name, when it is used."""
