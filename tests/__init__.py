"""The test suite; mirrors the three packages, plus end to end in a real terminal."""
