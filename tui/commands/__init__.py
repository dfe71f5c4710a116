"""The commands, one module each: ``configure`` describes its arguments, ``execute`` does it and returns the exit code.

A module is imported only when its command is called, and imports what its work needs only inside ``execute``.
"""
