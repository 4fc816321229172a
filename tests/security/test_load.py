"""Many people at once: everybody gets an answer, or is told at once that the server is busy."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

import httpx
import psutil
import pytest
from test_faults import still_answers

TEXT, BUSY = "Small apical pneumothorax", "Queue is full"


@dataclass
class Counted:
    """What people were told, and how long the answered ones waited."""

    told: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        return sorted(self.seconds)[min(int(share * len(self.seconds)), len(self.seconds) - 1)]


@dataclass(frozen=True)
class Crowd:
    """People who ask the same text, each in a session of his own."""

    address: str
    event: int
    data: list[object]
    counted: Counted

    async def ask(self, client: httpx.AsyncClient) -> None:
        session, begun = uuid.uuid4().hex, time.monotonic()
        asked = {"data": self.data, "fn_index": self.event, "session_hash": session}
        joined = await client.post("gradio_api/queue/join", json=asked)
        if joined.status_code == 503 and BUSY in joined.json()["detail"]:
            self.counted.told["busy"] += 1
            return
        answer = await client.get("gradio_api/queue/data", params={"session_hash": session})
        right = joined.status_code == 200 and TEXT in answer.text
        self.counted.told["answered" if right else "wrong"] += 1
        self.counted.seconds.append(time.monotonic() - begun)

    async def user(self, client: httpx.AsyncClient, late: float, until: float, thinks: float) -> None:
        # Nobody thinks for exactly as long each time: those whom one hiccup brought together would stay together.
        draw = random.Random(late)
        await asyncio.sleep(late)
        await self.ask(client)
        while time.monotonic() + (pause := thinks * draw.uniform(0.5, 1.5)) < until:
            await asyncio.sleep(pause)
            await self.ask(client)

    def come(self, people: int, seconds: float, thinks: float, *, apart: bool = False) -> None:
        """Let people ask for so long; `apart`: one after another, as they do who do not know of each other."""
        # A browser opens another connection where the server has let go of an idle one; this client would fail.
        anew = httpx.Limits(max_connections=None, max_keepalive_connections=0)

        async def all_of_them() -> None:
            # One for all: to make one takes 25 ms of the core that the server in this process waits for.
            async with httpx.AsyncClient(base_url=self.address, timeout=60, limits=anew) as client:
                until = time.monotonic() + seconds
                late = [thinks * number / people if apart else 0.0 for number in range(people)]
                await asyncio.gather(*(self.user(client, one, until, thinks) for one in late))

        asyncio.run(all_of_them())


def shared() -> float:
    """How many times longer than alone things take on this machine now, shared with others as it may be."""
    begun, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.2:
        sum(range(10_000))
    return (time.monotonic() - begun) / 0.2


@pytest.fixture
def crowd(home, visitor):
    event = visitor.event("query", "submit")
    data = visitor.usual(event)
    data[event.inputs.index(visitor.named["query"])] = "pneumothorax"
    visitor.ask("pneumothorax")
    home.towers.texts.seconds = 0.03  # what a small encoder takes
    yield Crowd(home.address, event.id, data, Counted())
    home.towers.texts.seconds = 0.0


def test_thirty_people_in_a_burst_are_answered_or_told_that_it_is_busy(home, crowd):
    home.towers.texts.seconds = 1.0  # so long that all thirty have come before the first is answered, on any machine
    crowd.come(people=30, seconds=0.0, thinks=1.0)
    home.towers.texts.seconds = 0.0
    told = crowd.counted.told
    assert told["wrong"] == 0
    assert told["answered"] >= 10
    assert told["busy"] >= 1
    still_answers(home, 30)


@pytest.mark.load
@pytest.mark.timeout(600)
def test_a_hundred_people_in_a_burst(home, crowd, record_property):
    before = shared()  # told, for whoever reads a failure; the limits are the limits
    crowd.come(people=100, seconds=0.0, thinks=1.0)
    slow = max(before, shared())
    told = crowd.counted.told
    record_property("cases", sum(told.values()))
    record_property(
        "said",
        f"burst of 100: {dict(told)}, p95 {crowd.counted.at(0.95):.2f} s, on a machine {slow:.1f} times slowed",
    )
    assert told["wrong"] == 0
    assert told["answered"] + told["busy"] >= 100
    assert crowd.counted.at(0.95) <= 5
    begun = time.monotonic()
    still_answers(home, 30)
    assert time.monotonic() - begun <= 2


@pytest.mark.load
@pytest.mark.timeout(900)
def test_twenty_people_for_five_minutes(home, crowd, record_property):
    crowd.come(people=20, seconds=300, thinks=3.0, apart=True)
    told = crowd.counted.told
    record_property("cases", sum(told.values()))
    record_property(
        "said",
        f"20 people, 5 minutes: {dict(told)}, p50 {crowd.counted.at(0.5):.2f} s, p95 {crowd.counted.at(0.95):.2f} s, "
        f"on a machine {shared():.1f} times slowed",
    )
    assert told["wrong"] == 0
    assert told["answered"] >= 500
    assert crowd.counted.at(0.95) <= 0.15 + home.towers.texts.seconds


@pytest.mark.soak
@pytest.mark.timeout(2_400)
def test_half_an_hour_of_use_costs_no_memory(home, crowd, record_property):
    process = psutil.Process()
    crowd.come(people=5, seconds=180, thinks=1.0)  # until every cache is as full as it gets
    before = process.memory_info().rss
    crowd.come(people=5, seconds=1_620, thinks=1.0)
    grown = process.memory_info().rss / before - 1
    record_property("cases", sum(crowd.counted.told.values()))
    record_property("said", f"half an hour: {dict(crowd.counted.told)}, memory {grown:+.1%} of {before / 2**20:.0f} MB")
    assert crowd.counted.told["wrong"] == 0
    assert grown <= 0.05


def test_a_crowd_that_is_told_something_wrong_is_noticed(crowd, home):
    wrong = Crowd(home.address, crowd.event, ["", *crowd.data[1:]], Counted())
    wrong.come(people=1, seconds=0.0, thinks=0.1)
    assert wrong.counted.told == Counter(wrong=1)
