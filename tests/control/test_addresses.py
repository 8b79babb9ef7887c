from __future__ import annotations


async def test_an_address_belongs_to_one_agent(control) -> None:
    await control.create("a", a2a_host="10.0.0.5", a2a_port=9100)
    taken = await control.ask(
        "POST", "/agents", json={"agent_id": "b", "a2a_host": "10.0.0.5", "a2a_port": 9100}
    )
    assert taken.status_code == 409
    assert "agent a listens at 10.0.0.5:9100" in taken.text
    # Whom nobody has approved holds nothing, and gets nothing that is held.
    registered = await control.register("c", a2a_host="10.0.0.5", a2a_port=9100)
    assert registered.status_code == 409
    await control.create("b")
    moved = await control.ask(
        "PUT", "/agents/b/endpoint", json={"a2a_host": "10.0.0.5", "a2a_port": 9100}
    )
    assert moved.status_code == 409


async def test_an_agent_keeps_its_address_and_gives_it_free(control) -> None:
    held = await control.create("a", a2a_host="10.0.0.5", a2a_port=9100)
    again = await control.register("a", bearer=held, a2a_host="10.0.0.5", a2a_port=9100)
    assert again.status_code == 200
    assert (await control.ask("DELETE", "/agents/a")).status_code == 204
    await control.create("b", a2a_host="10.0.0.5", a2a_port=9100)


async def test_whoever_waits_holds_no_address(control) -> None:
    squatter = await control.register("squatter", a2a_host="10.0.0.5", a2a_port=9100)
    assert squatter.status_code == 200
    await control.create("a", a2a_host="10.0.0.5", a2a_port=9100)
    approved = await control.ask("POST", "/agents/squatter/approve")
    assert approved.status_code == 409
    assert "agent a listens at" in approved.text
