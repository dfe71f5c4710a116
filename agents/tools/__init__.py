"""What agents may use: reading files and fetching URLs, each contained."""
