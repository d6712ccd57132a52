"""One generator per skill: takes a random.Random, returns a Sample whose last message is the assistant's."""
