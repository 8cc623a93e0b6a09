"""Parts of the simulated week: its people, its files, its weather, and the watch that is kept."""
