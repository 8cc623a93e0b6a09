"""What a client can ask of a node, by subject: a method for each operation of `operations/`."""
