"""The exchange: links to peers, the one door for what they say, and what goes out to them."""
