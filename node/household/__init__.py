"""A household: collections of several people, and acting for one another."""
