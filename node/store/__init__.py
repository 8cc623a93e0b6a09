"""The store: one database file, its units of work, its migrations."""
