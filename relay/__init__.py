"""A log relay for one host: reads logs once and sends them to many."""

__version__ = "0.1.0"
