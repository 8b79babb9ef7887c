"""The platform, as the UI sees it: the only importer of `amaze_proxy.control`.

A desk for each subject; each method takes the `Principal` who asks, shows what this one may see,
and records what this one changes. Errors are `Refused` (somebody can do something about it) and
`Outage` (a part of the platform does not answer); both texts are for people to read.
"""

from amaze_app.gateway.bundle import Gateway, open_gateway
from amaze_app.gateway.principal import Need, Principal, Role
from amaze_app.gateway.refusals import LostUpdate, NotInForce, Outage, Refused, TooOften

__all__ = [
    "Gateway",
    "LostUpdate",
    "Need",
    "NotInForce",
    "Outage",
    "Principal",
    "Refused",
    "Role",
    "TooOften",
    "open_gateway",
]
