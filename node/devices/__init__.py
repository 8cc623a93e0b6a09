"""Several devices of one person: enrolled, kept together, and left behind."""
