"""The network: one transport by its two adapters, libp2p and memory."""
