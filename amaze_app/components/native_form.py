"""A form that the browser itself submits (`rx.el.form` always prevents it)."""

from __future__ import annotations

from reflex.vars import Var
from reflex_components_core.el.elements.base import BaseHTML


class NativeForm(BaseHTML):
    """Posts to a route of the front, which alone can set an HttpOnly cookie."""

    tag = "form"
    action: Var[str]
    method: Var[str]


native_form = NativeForm.create
