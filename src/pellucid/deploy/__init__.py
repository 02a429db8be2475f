"""Serve an agent from its snapshot."""
