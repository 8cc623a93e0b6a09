"""Views: coarser collections that the node derives, and publishes by closed periods."""
