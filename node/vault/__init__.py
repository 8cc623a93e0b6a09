"""The vault: records in, encrypted pages on disk, records out; and which of them are one fact."""
