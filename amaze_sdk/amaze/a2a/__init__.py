"""A2A, the protocol in which agents talk: messages to this agent, and from it."""
