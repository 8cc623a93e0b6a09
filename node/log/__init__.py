"""The log of this device: what it holds, who witnesses it, what can be proven from it."""
