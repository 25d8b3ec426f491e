"""The configuration: value types and the loader that finds every error at once."""
