"""The dashboard in a browser: who may open it, the page, and one process for each that does."""
