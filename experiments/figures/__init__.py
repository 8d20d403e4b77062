"""Drawings from stored tables."""
