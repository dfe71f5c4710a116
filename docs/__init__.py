"""Pictures of the real screens, and the command that makes them."""
