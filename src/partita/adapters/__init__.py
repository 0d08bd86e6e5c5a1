"""Floor 4: the engines behind the ports: HTTP, PostgreSQL, SQLite. Each is imported by its own name, when it is used."""
