"""What agents see, the book made of what they intend, its clearing, and the settlement of what was traded."""
