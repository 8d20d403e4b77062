"""What is known of the market, and whether the model shows it."""
