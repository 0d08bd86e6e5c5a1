"""Floor 1: contracts: messages, events, problems, operations, and the documents made of them."""
