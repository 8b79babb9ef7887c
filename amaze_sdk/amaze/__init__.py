"""Put an AI agent under aMaze governance: `import amaze; amaze.init()`.

The standard library is all it needs. `amaze.testing` has what an agent's own tests want.
"""

from amaze.a2a.client import send_message_to_agent, send_message_to_agent_async
from amaze.context import current_turn
from amaze.errors import (
    AmazeError,
    ConfigurationError,
    EnforcementError,
    RegistrationError,
    SendError,
)
from amaze.runtime import Agent, init

__all__ = [
    "Agent",
    "AmazeError",
    "ConfigurationError",
    "EnforcementError",
    "RegistrationError",
    "SendError",
    "current_turn",
    "init",
    "send_message_to_agent",
    "send_message_to_agent_async",
]
