"""The configuration of Reflex, which looks for it in the current directory."""

import reflex as rx

from amaze_app.plugins import SameOrigin

config = rx.Config(
    app_name="amaze_app",
    app_module_import="amaze_app.app",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    # One process serves everybody; what has to last is in the store and the database.
    state_manager_mode=rx.constants.StateManagerMode.MEMORY,
    # No other origin, so no CORS headers. It also turns the socket's own check of the origin off,
    # which is why `amaze_app.door` checks it, before anything of Reflex is reached.
    cors_allowed_origins=[],
    plugins=[
        rx.plugins.TailwindV4Plugin(),
        rx.plugins.RadixThemesPlugin(
            theme=rx.theme(accent_color="indigo", gray_color="slate", radius="large")
        ),
        SameOrigin(),
    ],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
