"""What a sweep says: sensitivity, discovery, comparison, verification, credit metrics."""
