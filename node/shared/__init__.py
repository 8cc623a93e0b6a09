"""Shared records: one record, two signed copies, and what each side says to the other's."""
