"""Model calls: endpoints and their discovery, the guarded client, the raw decode, and one path that all calls take."""
