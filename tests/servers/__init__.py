"""Loopback servers with known behaviour: exact pacing for measurements, exact faults for tests."""
