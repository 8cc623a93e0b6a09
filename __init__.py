"""entrenous: a decentralised, peer-to-peer personal data network."""
