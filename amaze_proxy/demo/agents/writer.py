"""An agent that knows nothing of aMaze: HTTP_PROXY and the CA come from its environment.

It writes with a streamed model until it is stopped.
"""

import sys

import httpx

URL = "https://api.anthropic.com/v1/messages"


def write(client: httpx.Client, subject: str) -> tuple[int, list[str]]:
    body = {
        "model": "claude-haiku-4-5",
        "max_tokens": 60,
        "stream": True,
        "messages": [{"role": "user", "content": f"Write about {subject}."}],
    }
    with client.stream("POST", URL, json=body, headers={"x-api-key": "demo"}) as answer:
        lines = [line for line in answer.iter_lines() if line]
    return answer.status_code, lines


def main() -> None:
    with httpx.Client() as client:
        for subject in ("budgets", "traces", "graphs", "policies"):
            status, lines = write(client, subject)
            print(f"{subject}: HTTP {status}, {len(lines)} lines", file=sys.stderr)
            if status != 200:
                break


if __name__ == "__main__":
    main()
