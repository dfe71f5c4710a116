"""Many prompts from a file, their answers to another: rows read lazily, answers kept as they come, in the order of the rows."""
