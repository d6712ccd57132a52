"""Held-out conversations, the judge, and the ways to have a model answer them."""
