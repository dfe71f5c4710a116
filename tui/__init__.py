"""What a person sees and types: the command line, the app, its screens, widgets and keys."""
