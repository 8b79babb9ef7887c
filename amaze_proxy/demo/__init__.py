"""`amaze demo`: the platform with a mock model, two agents and an MCP server; no API key."""
