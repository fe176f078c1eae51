import asyncio

import pytest

from harness.llm.limiter import Limiter
from harness.llm.retrying import PassingFailure


async def use(limiter: Limiter, failure: PassingFailure | None = None) -> None:
    async with limiter.slot():
        if failure:
            raise failure


async def refuse(limiter: Limiter) -> None:
    with pytest.raises(PassingFailure):
        await use(limiter, PassingFailure("slow down", busy=True))


def test_a_refusal_halves_and_successes_raise_it_again_by_one_a_round() -> None:
    async def scene() -> list[float]:
        limiter = Limiter(8)
        allowed = [limiter.allowed]
        for _ in range(2):
            await refuse(limiter)
            allowed.append(limiter.allowed)
        for _ in range(2 + 3):
            await use(limiter)
        allowed.append(limiter.allowed)
        for _ in range(100):
            await use(limiter)
        return [*allowed, limiter.allowed]

    allowed = asyncio.run(scene())

    assert allowed[:3] == [8.0, 4.0, 2.0]
    assert 3.5 < allowed[3] < 4.0  # two successes for the third place, three for the fourth, about
    assert allowed[4] == 8.0


def test_it_never_falls_below_one() -> None:
    async def scene() -> float:
        limiter = Limiter(4)
        for _ in range(6):
            await refuse(limiter)
        return limiter.allowed

    assert asyncio.run(scene()) == 1.0


def test_one_burst_of_refusals_counts_once() -> None:
    async def scene() -> float:
        limiter = Limiter(8)
        together = asyncio.Barrier(8)

        async def one() -> None:
            async with limiter.slot():
                await together.wait()
                raise PassingFailure("slow down", busy=True)

        failed = await asyncio.gather(*(one() for _ in range(8)), return_exceptions=True)
        assert all(isinstance(failure, PassingFailure) for failure in failed)
        return limiter.allowed

    assert asyncio.run(scene()) == 4.0


def test_other_failures_say_nothing_about_load() -> None:
    async def scene() -> float:
        limiter = Limiter(4)
        with pytest.raises(PassingFailure):
            await use(limiter, PassingFailure("broken"))
        return limiter.allowed

    assert asyncio.run(scene()) == 4.0


def test_no_more_than_allowed_are_let_in() -> None:
    async def scene() -> int:
        limiter, most = Limiter(3), 0

        async def one() -> None:
            nonlocal most
            async with limiter.slot():
                most = max(most, limiter.in_flight)
                await asyncio.sleep(0)

        await asyncio.gather(*(one() for _ in range(20)))
        return most

    assert asyncio.run(scene()) == 3


def test_one_that_is_given_up_leaves_its_place() -> None:
    async def scene() -> int:
        limiter = Limiter(1)
        held = asyncio.Event()

        async def hold() -> None:
            async with limiter.slot():
                held.set()
                await asyncio.sleep(60)

        holding = asyncio.create_task(hold())
        await held.wait()
        waiting = asyncio.create_task(use(limiter))
        await asyncio.sleep(0)
        holding.cancel()
        await waiting
        return limiter.in_flight

    assert asyncio.run(scene()) == 0
