"""The runner of benches: what it finds, what it hands over, and how a failure reads."""

import pytest

from hwgen.config import Config
from hwgen.rtl.microcoded.mover import Mover
from sim.runner import BenchTest, each_test, run_block

BENCH = "tests.sim.failing_bench"


def run(name, **options):
    run_block(lambda config: Mover(), BenchTest(BENCH, name), simulator="icarus",
              config=Config(rows=3), seed=5, **options)


def test_tests_are_found_in_the_text_of_the_bench():
    assert [case.name for case in each_test(BENCH).args[1]] == ["passes", "fails",
                                                               "ends_the_simulator"]
    assert [case.name for case in each_test(BENCH, "fai").args[1]] == ["fails"]
    with pytest.raises(AssertionError, match="has no cocotb test that matches 'x'"):
        each_test(BENCH, "x")


def test_a_bench_gets_its_configuration_seed_and_options():
    run("passes", words=[1, 2])


def test_a_failure_has_the_message_of_the_assertion():
    with pytest.raises(pytest.fail.Exception,
                       match=r"failing_bench\.fails: AssertionError: psum is 3, not 4"):
        run("fails", found=3)


def test_a_simulator_that_dies_is_a_failure():
    with pytest.raises(pytest.fail.Exception,
                       match="the simulation ended before ends_the_simulator did"):
        run("ends_the_simulator")
