"""An agent with the SDK: it answers questions with a model that the user may name.

`openai/gpt-4.1-mini: What is a policy?`
"""

import amaze
import httpx

URLS = {
    "openai": "https://api.openai.com/v1/chat/completions",
    "anthropic": "https://api.anthropic.com/v1/messages",
}


async def receive_message_from_user(message: str) -> str:
    wanted, _, question = message.partition(": ")
    provider, _, model = wanted.partition("/")
    body = {
        "model": model,
        "max_tokens": 40,
        "messages": [{"role": "user", "content": question}],
    }
    async with httpx.AsyncClient() as client:  # HTTP_PROXY does the rest
        answer = await client.post(URLS[provider], json=body, headers={"x-api-key": "demo"})
    if answer.is_error:
        return f"refused: {answer.json()['reason']}"
    return str(answer.json()["choices"][0]["message"]["content"])


if __name__ == "__main__":
    amaze.init()
