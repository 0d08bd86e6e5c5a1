"""Floor 2: the Protocols that engines fill. Each module names one seam: transport, units of work, database engine."""
