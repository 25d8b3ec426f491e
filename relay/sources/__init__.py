"""Sources: where lines come from. The table SOURCES names them all."""
