"""Floor 6: holds what should run against what runs: zygote, supervisor, embedded PostgreSQL, logs, ports."""
