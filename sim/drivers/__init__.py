"""What the market takes as given, week by week: rent, power, bitcoin, interest."""
