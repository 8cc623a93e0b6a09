"""What people do in a simulated world."""
