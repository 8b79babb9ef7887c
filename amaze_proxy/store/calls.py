"""The two function calls as keys and arguments, and their answers as records.

The order of the arguments is that in which scripts/admit.lua and scripts/settle.lua read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaze_proxy.policy.decision import GraphMove, Limit, Reason
from amaze_proxy.policy.record import to_json
from amaze_proxy.policy.usage import Charge
from amaze_proxy.store import keys
from amaze_proxy.store.admission import Admission, Admitted, LimitState, Outcome, Settlement
from amaze_proxy.store.connection import Argument
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.series import point_args, points
from amaze_proxy.store.wire import Reply

LARGEST = 10**15
"""Amounts above this are cut to it: Lua counts in doubles (exact to 2^53)."""


@dataclass(frozen=True, slots=True)
class Call:
    """One function call."""

    function: str
    keys: tuple[str, ...]
    args: tuple[Argument, ...]


def _amount(value: int) -> int:
    if value < 0:
        raise ValueError("an amount is never negative")
    return min(value, LARGEST)


def _windows(limits: Sequence[Limit]) -> list[Limit]:
    return [limit for limit in limits if limit.window_ms]


def admit_call(admission: Admission, now_ms: int = 0, instance: str = "") -> Call:
    """`now_ms` is for tests: the server's clock otherwise. `instance`: whose call it is, until it
    settles ("": it is not kept as open). Raises ValueError for a turn id that
    is kept for ambient turns, and for negative amounts."""
    if keys.AMBIENT_MARK in admission.turn_id and not admission.ambient:
        raise ValueError("a turn id must not look like an ambient one")
    agent, charge = admission.agent_id, admission.charge
    turn = admission.turn_id or keys.AMBIENT
    named = (
        keys.agent(agent),
        keys.credentials(agent),
        keys.policy(agent),
        keys.turn(agent, turn),
        keys.reservation(agent, admission.decision_id),
        keys.means(agent),
        *keys.hops(agent),
        keys.open_calls(agent),
        *(keys.window(agent, limit.name) for limit in _windows(admission.limits)),
    )
    args: list[Argument] = [
        admission.decision_id,
        admission.credential_sha256,
        admission.policy_version,
        _admit_flags(admission),
        now_ms,
        *_charge_args(charge),
        f"{instance} {admission.policy_version} {admission.facts}" if instance else "",
        len(admission.limits),
    ]
    for limit in admission.limits:
        args += [limit.name, limit.measure.value, _amount(limit.maximum), limit.window_ms]
    return Call("admit", named, (*args, *_graph_args(admission.graph)))


def _charge_args(charge: Charge) -> tuple[Argument, ...]:
    return (
        _amount(charge.input_tokens),
        -1 if charge.output_limit is None else _amount(max(0, charge.output_limit)),
        charge.mean_key,
        _amount(charge.input_price),
        _amount(charge.output_price),
        _amount(charge.tool_calls),
        _amount(charge.agent_calls),
    )


def _admit_flags(admission: Admission) -> str:
    flags = {
        "c": admission.check_only,
        "d": admission.discovery,
        "a": admission.ambient,
        "u": admission.user_message,
        "s": admission.shadow,
        "b": admission.budget_blocks,
        "v": admission.violation_blocks,
        # shadow lets the request pass as it is
        "l": admission.lower_output_limit and not admission.shadow,
    }
    return "".join(letter for letter, on in flags.items() if on)


def _graph_args(graph: GraphMove | None) -> list[Argument]:
    if graph is None:
        return [-1]
    args: list[Argument] = [len(graph.candidates)]
    for step in graph.candidates:
        after = ",".join("-" if position is None else str(position) for position in step.after)
        args += [str(step.step_id), step.max_loops, f",{after},"]
    return args


def read_admitted(reply: Reply, admission: Admission) -> Admitted:
    """The function's answer. Raises StoreUnavailable for one that makes no sense."""
    try:
        fields = [_text(field) for field in reply] if isinstance(reply, list) else []
        outcome, reason, failed, retry, version, session, number, step, granted = fields[:9]
        position, alerts, depth, trace_id, span_id = fields[9:14]
        used = [int(field) for field in fields[14:]]
        base = admission.turn_id or keys.AMBIENT
        return Admitted(
            outcome=Outcome(outcome),
            reason=Reason(reason) if reason else None,
            alerts=tuple(Reason(alert) for alert in alerts.split()),
            limits=tuple(
                LimitState(limit.name, limit.maximum, amount)
                for limit, amount in zip(admission.limits, used, strict=bool(used))
            ),
            failed_limit=failed,
            expected=_expected(admission, reason, alerts, position),
            step=int(step) if step else None,
            granted_output=int(granted),
            retry_after_ms=int(retry),
            turn_id=_ambient_id(base, number) if admission.ambient else admission.turn_id,
            policy_version=int(version),
            session_id=session,
            depth=int(depth),
            trace_id=trace_id,
            parent_span=span_id,
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise StoreUnavailable("the store's answer makes no sense") from error


def _text(field: Reply) -> str:
    if not isinstance(field, bytes):
        raise ValueError("not text")
    return field.decode("utf-8", "surrogatepass")


def _ambient_id(base: str, number: str) -> str:
    name = base.split(keys.AMBIENT_MARK, 1)[0]
    return f"{name}{keys.AMBIENT_MARK}{number}" if number else name


_GRAPH_REASONS = {Reason.GRAPH_VIOLATION.value, Reason.EDGE_LOOP_EXCEEDED.value}


def _expected(admission: Admission, reason: str, alerts: str, position: str) -> str:
    graph = admission.graph
    if graph is None or not _GRAPH_REASONS & {reason, *alerts.split()}:
        return ""
    at = int(position) if position else None
    # the policy may have changed in the middle of the turn
    return dict(graph.expected).get(at, f"nothing: this graph has no step {at}")


def settle_call(settlement: Settlement, *, resume: bool = False, now_ms: int = 0) -> Call:
    """The call for a settlement whose record is sealed; a negative amount counts as 0, because a
    record must not get lost. `resume`: the server lost records that it
    had acknowledged, so take this one in spite of the gap (which the chain shows for ever)."""
    agent, record = settlement.agent_id, settlement.record
    windows, added = _windows(settlement.limits), tuple(points(record))
    named = (
        keys.audit(agent),
        keys.chain(agent),
        keys.turn(agent, settlement.turn_id or keys.AMBIENT),
        keys.reservation(agent, settlement.decision_id),
        keys.means(agent),
        keys.open_calls(agent),
        *(keys.window(agent, limit.name) for limit in windows),
        *(keys.series(agent, metric) for metric, _ in added),
    )
    flags = {"c": settlement.charged, "b": settlement.burn_step, "r": resume}
    args: list[Argument] = [
        settlement.decision_id,
        record.writer,
        record.seq,
        record.hash,
        settlement.stored or to_json(record),
        "".join(letter for letter, on in flags.items() if on),
        _amount(max(0, settlement.tokens)),
        _amount(max(0, settlement.output_tokens)),
        _amount(max(0, settlement.cost_microusd)),
        settlement.mean_key,
        now_ms,
        len(windows),
    ]
    for limit in windows:
        args += [limit.name, limit.window_ms]
    return Call("settle", named, (*args, *point_args(record, added)))


def read_settled(reply: Reply) -> tuple[str, int]:
    """`ok`, `duplicate`, `gap` or `abandoned`, and the writer's last sequence number."""
    match reply:
        case [b"ok" | b"duplicate" | b"gap" | b"abandoned" as outcome, bytes(last)] if (
            last.isdigit()
        ):
            return outcome.decode(), int(last)
        case _:
            raise StoreUnavailable("the store's answer makes no sense")
