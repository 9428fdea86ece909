"""Certification: one AB after the other, its evidence, a verdict, a comment."""
