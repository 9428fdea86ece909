"""Moves, their recovery and undo, the trash, virtual calibrations."""
