"""Encoders: pure functions from spans and matches to bytes."""
