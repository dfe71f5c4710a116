"""Theme files and the app's stylesheet, as data."""
