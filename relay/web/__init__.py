"""The HTTP server: routes by resource; meets the sources only in the hub."""
