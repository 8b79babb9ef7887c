"""`amaze demo`: the platform with a mock LLM provider and two agents, without an API key."""
