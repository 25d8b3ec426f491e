"""Decoders: any split of bytes in, lines out. Pure."""
