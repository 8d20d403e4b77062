"""The world in week 0."""
