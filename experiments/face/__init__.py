"""What `import firesale` gives: runs, sweeps and stored results as objects for scripts and notebooks."""
