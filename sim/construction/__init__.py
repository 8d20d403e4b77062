"""Powered halls that are promised, late or early, and started when slots are dear."""
