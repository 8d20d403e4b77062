"""Ground: integers, rounding, random numbers, cited data, the table recorder. Knows nothing of GPUs' markets."""
