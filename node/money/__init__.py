"""Money: what is owed and paid for licences; none of it passes through here."""
