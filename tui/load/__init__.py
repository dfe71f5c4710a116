"""What the Queue view says: the engine's figures as lines of text with named tones; no widget, no Textual."""
