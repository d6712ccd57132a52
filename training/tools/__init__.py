"""Conversations with tools: arbitrary schemas, typical tools, several calls, chains, errors, agents."""
