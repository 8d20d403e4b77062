"""The command firesale: parse and print."""
