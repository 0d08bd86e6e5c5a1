"""What a team writes on: the base class of services, and the declarations on their methods."""
