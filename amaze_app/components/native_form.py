"""What the browser does itself: a form that it submits (`rx.el.form` always prevents it), and
a link that it follows (`rx.el.a` stays inside the application)."""

from __future__ import annotations

from reflex.vars import Var
from reflex_components_core.el.elements.base import BaseHTML


class NativeForm(BaseHTML):
    """Posts to a route of the front, which alone can set an HttpOnly cookie."""

    tag = "form"
    action: Var[str]
    method: Var[str]


native_form = NativeForm.create


class NativeLink(BaseHTML):
    """To a route of the front, such as a download; `download` is the name of the file."""

    tag = "a"
    href: Var[str]
    download: Var[str]


native_link = NativeLink.create
