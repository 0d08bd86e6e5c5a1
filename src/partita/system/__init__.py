"""Floor 5: the model of a system: its services, what they need of each other, and what cannot work."""
