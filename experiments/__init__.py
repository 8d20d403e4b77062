"""What is asked: command line, scenarios, runs, stored results, figures and tables."""
