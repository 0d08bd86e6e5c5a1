"""Floor 5: hosting services in a process: wire their fields, open their databases, start, serve, drain, stop."""
