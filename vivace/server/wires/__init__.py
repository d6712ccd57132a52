"""One client API per file: decode JSON into a Conversation and Options, encode Events into that API's replies."""
