"""The command line's client of the control API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from amaze_proxy.cli.common import Failed
from amaze_proxy.cli.credentials import signed_in
from amaze_proxy.settings import Settings


class Refused(Failed):
    """The control API has answered, with no."""


class NotFound(Refused):
    """The control API has nothing at that path."""


class Control:
    """Calls the control API with AMAZE_ADMIN_KEY, else as who has signed in here (`amaze login`),
    else with the admin key that the first start has left; `token` goes before all.

    Every failure is a `Failed` that says the fix.
    """

    def __init__(self, settings: Settings, token: str | None = None) -> None:
        self._url = settings.control_url
        self._key = token if token is not None else _credential(settings)

    @property
    def has_key(self) -> bool:
        """Whether there is a credential to call with."""
        return bool(self._key)

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: str | None = None,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        timeout: float | None = 30,
    ) -> httpx.Response:
        """One call; raises Failed unless it succeeded. `timeout` in seconds, None: none."""
        sent = dict(headers or {})
        if self._key:
            sent["authorization"] = f"Bearer {self._key}"
        if content is not None:
            sent.setdefault("content-type", "application/yaml")
        try:
            with httpx.Client(base_url=self._url, trust_env=False, timeout=timeout) as client:
                answer = client.request(
                    method, path, json=json, content=content, params=params, headers=sent
                )
        except httpx.HTTPError as error:
            raise Failed(
                f"the control API at {self._url} does not answer ({error}); is `amaze up` running?"
            ) from None
        if answer.is_success:
            return answer
        raise (NotFound if answer.status_code == 404 else Refused)(_words(answer))

    def download(
        self, path: str, out: BinaryIO, params: dict[str, str], told: Callable[[int], None]
    ) -> None:
        """The body of a GET into a file; `told` hears how many bytes there are. Raises Failed."""
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            with (
                httpx.Client(base_url=self._url, trust_env=False, timeout=300) as client,
                client.stream("GET", path, params=params, headers=headers) as answer,
            ):
                if not answer.is_success:
                    answer.read()
                    raise Failed(_words(answer))
                for chunk in answer.iter_bytes():
                    out.write(chunk)
                    told(out.tell())
        except httpx.HTTPError as error:
            raise Failed(f"the control API at {self._url} broke off ({error})") from None

    def pages(
        self, path: str, key: str, cursor: str, params: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """All items under `key` of a paged list; `cursor` is the parameter that continues it."""
        found: list[dict[str, Any]] = []
        asked = dict(params or {})
        while True:
            page = self.json("GET", path, params=asked)
            found += page[key]
            if page["next"] is None:
                return found
            asked[cursor] = str(page["next"])

    def has(self, path: str) -> bool:
        """Whether there is something at `path`."""
        try:
            self.call("GET", path)
        except NotFound:
            return False
        return True

    def json(self, method: str, path: str, **kwargs: Any) -> Any:
        """The JSON of one call."""
        return self.call(method, path, **kwargs).json()


def admin_key_file(data_dir: Path) -> Path:
    """Where the first start leaves the admin key for the command line on this machine (0600)."""
    return data_dir / "admin.key"


def first_password_file(data_dir: Path) -> Path:
    """Where the first start leaves the password of the user `admin` (0600), until `amaze up` has
    shown it."""
    return data_dir / "admin.password"


def _credential(settings: Settings) -> str:
    return settings.admin_key or signed_in(settings) or _saved_key(settings)


def _saved_key(settings: Settings) -> str:
    try:
        return admin_key_file(settings.data_dir).read_text().strip()
    except OSError:
        return ""


def _not_ours(problem: dict[str, Any]) -> str:
    error = problem.get("error")  # the shape of the proxy's answers: its port was given for ours
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _words(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        text = problem.get("detail") or problem.get("title") or _not_ours(problem) or answer.text
    except (ValueError, AttributeError):
        text = answer.text[:300]
    if answer.status_code == 401:
        return f"{text} (`amaze login`, or set AMAZE_ADMIN_KEY to an API key)"
    return f"{text} [HTTP {answer.status_code}]"
