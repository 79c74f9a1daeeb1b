"""Drivers and collectors of a block's streams, for cocotb testbenches."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

__all__ = ["start", "send", "receive", "watch"]


async def start(dut):
    """Start the clock and reset the block; returns at the first edge without reset."""
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    dut.rst.value = 1
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


async def send(dut, name, payloads, stall=0.0):
    """Send ``payloads`` (packed integers) into stream ``name``; ``stall`` is the chance of a pause.

    While it is not valid the payload is random, so that a block that looks at it is found out.
    """
    valid, ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
    payload = getattr(dut, f"{name}__payload")
    for value in payloads:
        while random.random() < stall:
            valid.value = 0
            payload.value = random.getrandbits(len(payload))
            await RisingEdge(dut.clk)
        valid.value = 1
        payload.value = value
        await RisingEdge(dut.clk)
        while not int(ready.value):
            await RisingEdge(dut.clk)
    valid.value = 0


async def receive(dut, name, sink, stall=0.0):
    """Take from stream ``name`` for ever, handing each payload to ``sink``.

    ``stall`` is the chance of a cycle without ``ready``. An X, a payload that changes or a
    ``valid`` that drops before the transfer fails the test.
    """
    valid, ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
    payload = getattr(dut, f"{name}__payload")
    held = None
    while True:
        given = random.random() >= stall
        ready.value = int(given)
        await RisingEdge(dut.clk)
        if int(valid.value):
            value = int(payload.value)
            assert held in (None, value), f"{name}: {held:#x} became {value:#x} while it waited"
            held = None if given else value
            if given:
                sink(value)
        else:
            assert held is None, f"{name}: valid dropped before the transfer"


async def watch(dut, valid, ready, payloads):
    """Assert for ever that ``payloads`` (port names) stay while ``valid`` waits for ``ready``."""
    held = None
    while True:
        await RisingEdge(dut.clk)
        if int(getattr(dut, valid).value):
            value = [int(getattr(dut, name).value) for name in payloads]
            assert held in (None, value), f"{valid}: {held} became {value} while it waited"
            held = None if int(getattr(dut, ready).value) else value
        else:
            assert held is None, f"{valid} dropped before the transfer"
