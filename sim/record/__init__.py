"""What is written down, declared as data."""
