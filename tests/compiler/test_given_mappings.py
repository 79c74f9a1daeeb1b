"""Mappings that are given: files, limits, the published ones; and programs that run as given."""

import re
from dataclasses import asdict

import numpy as np
import pytest

from hwgen.compiler import compile_network
from hwgen.compiler.map import given_mappings
from hwgen.compiler.map.explain import toml
from hwgen.compiler.map.loop_nest import Nest
from hwgen.config import Config, preset
from hwgen.errors import HwgenError
from hwgen.host.layer_bench import layer_network
from hwgen.network.eyeriss import MAPPINGS
from hwgen.network.shapes import NETWORKS
from tests.seed import SEED

from .layers import check, conv, network, pool, random_config, random_conv, tensor


def nests(program):
    return [Nest.of(program, segment) for segment in program.segments]


def free(mapping):
    """The fields of a mapping that may be given."""
    return {name: value for name, value in asdict(mapping).items() if name in given_mappings.FIELDS}


@pytest.mark.parametrize("number", range(12))
def test_a_mapping_written_to_a_file_is_found_again(number, tmp_path):
    rng = np.random.default_rng((SEED, number))
    config = random_config(rng)
    x = tensor("x", tuple(int(n) for n in rng.integers(2, 16, 3)), rng)
    net = network(random_conv(rng, x, name='a [b] "c"'))
    program = compile_network(net, config)
    path = tmp_path / "mapping.toml"
    path.write_text(toml(nests(program)))
    fixed = given_mappings.gather([str(path)], config, layers=net.layers)
    again = compile_network(net, config, mappings=fixed)
    assert [free(s.mapping) for s in again.segments] == [free(s.mapping) for s in program.segments]
    assert [s.cycles for s in again.segments] == [s.cycles for s in program.segments]
    assert toml(nests(again)) == path.read_text()


def test_layers_of_several_programs_are_left_to_the_search(tmp_path):
    rng = np.random.default_rng(SEED)
    first = conv(rng, tensor("x", (8, 24, 24), rng), 16, (1, 1), name="first")
    net = network(first, pool(first.y, (5, 5), (1, 1), name="pool"))
    program = compile_network(net, Config())
    assert [segment.name for segment in program.segments] == ["first", "pool", "pool"]
    path = tmp_path / "mapping.toml"
    path.write_text(toml(nests(program)))
    fixed = given_mappings.gather([str(path)], Config(), layers=net.layers)
    assert set(fixed) == {"first"}
    assert compile_network(net, Config(), mappings=fixed).image == program.image


@pytest.mark.parametrize("number", range(20))
def test_what_is_given_is_done_and_computes_right(number):
    """Some fields of a mapping that was found for a machine with half the GLB."""
    rng = np.random.default_rng((SEED, number))
    config = random_config(rng)
    larger = config.replace(glb_kib=config.glb_kib * (2 if config.bank_depth < 16_000 else 1))
    x = tensor("x", tuple(int(n) for n in rng.integers(2, 16, 3)), rng)
    net = network(random_conv(rng, x))
    given = free(compile_network(net, config).segments[0].mapping)
    names = rng.permutation(list(given))[:rng.integers(1, len(given) + 1)]
    fixed = {str(name): given[str(name)] for name in names}
    program = compile_network(net, larger, mappings={"conv": fixed})
    found = free(program.segments[0].mapping)
    for name, value in fixed.items():
        few = name in ("buffers", "resident", "slots")      # a layer may have fewer tiles or blocks
        assert found[name] == value or few and found[name] < value, name
    check(net, program, rng)


def layer(groups=1, depthwise=False):
    rng = np.random.default_rng(SEED)
    if depthwise:
        return conv(rng, tensor("x", (16, 12, 12), rng), 16, (3, 3), groups=16)
    return conv(rng, tensor("x", (16, 12, 12), rng), 24, (3, 3), groups=groups)


@pytest.mark.parametrize("fixed, options, message", [
    (dict(q=17), {}, "q is 17, but the layer allows 16"),
    (dict(p=25), {}, "p is 25, but the layer allows 24"),
    (dict(fold_r=4), {}, "fold_r is 4, but the layer allows 3"),
    (dict(tile_rows=11), {}, "tile_rows is 11, but the layer allows 10"),
    (dict(e=5), {}, "e x t is 5, but the array allows 4"),
    (dict(e=2, t=3), {}, "e x t is 6, but the array allows 4"),
    (dict(p=24, t=2), {}, "t is 2, but the layer allows 1"),
    (dict(p=6, q=13, fold_s=3), {}, "p x taps is 234, but filter_spad allows 224"),
    (dict(q=16, fold_s=3), {}, "a window of 48 values and a bus word is 56, but ifmap_spad allows "
                               "32"),
    (dict(chunk=17), {}, "chunk is 17, but the layer allows 16"),
    (dict(q=8, chunk=3), {}, "chunk is 3, but the layer allows 2"),
    (dict(buffers=3), {}, "buffers is 3, but the machine allows 2"),
    (dict(resident=3, slots=2), {}, "resident is 3, but slots allows 2"),
    (dict(p=24, tile_rows=10, tile_cols=10, slots=4), {}, "psums in words of a GLB bank is "),
    (dict(p=20, e=4, tile_rows=10, tile_cols=10, q=2, chunk=8, buffers=2), {},
     "ifmap tiles in GLB words of 8 bytes is "),
    (dict(p=3, q=4), dict(depthwise=True), "a depthwise layer has p = q: give one of them"),
    (dict(p=5), dict(groups=2), "p = 5 does not divide the 12 filters of a group"),
    (dict(q=2, t=3, chunk=4), dict(depthwise=True), "give chunk a multiple of 3"),
    (dict(slots=167, resident=20, p=1, tile_rows=1, tile_cols=1), {},
     "does not fit a 4x4 array with 168 words in each GLB bank, whatever the others are"),
])
def test_refusals(fixed, options, message):
    config = Config(rows=4, cols=4, ifmap_spad=32, glb_kib=11, lanes=4, params_depth=64,
                    tables=False)
    with pytest.raises(HwgenError, match=re.escape(message)) as error:
        compile_network(network(layer(**options)), config, mappings={"conv": fixed})
    assert str(error.value).startswith("the mapping given for layer 'conv' (")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text, message", [
    ("q = 4", "gives 'q' outside of a layer"),
    ("[conv]\nstrips = 2", "gives 'strips' for layer 'conv', which cannot be given"),
    ("[conv]\nq = 0", "q = 0 for layer 'conv': a whole number, 1 or more"),
    ("[conv]\nq = true", "q = True for layer 'conv': a whole number"),
    ("[conv]\nq = 1.5", "q = 1.5 for layer 'conv': a whole number"),
    ("[conv", "is not TOML"),
    ("[pool]\nq = 1", "gives layer 'pool', which is not there: the layers are conv"),
    (None, "cannot read the mapping"),
])
def test_bad_files(text, message, tmp_path):
    path = tmp_path / "mapping.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(HwgenError, match=message):
        given_mappings.gather([str(path)], Config(), layers=[layer()])


def test_patterns_and_order(tmp_path):
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text("['CONV*']\ne = 2\nt = 1\n[CONV2]\ne = 3\n")
    second.write_text("['CONV?']\nt = 2\n")
    shapes = NETWORKS["alexnet"]
    fixed = given_mappings.gather([str(first), str(second)], Config(), shapes=shapes,
                                  network="alexnet")
    assert fixed["CONV2"] == {"e": 3, "t": 2} and fixed["CONV5"] == {"e": 2, "t": 2}
    assert "FC6" not in fixed


@pytest.mark.parametrize("name, pes", [("CONV1", 154), ("CONV2", 140), ("CONV3", 156),
                                       ("CONV4", 156), ("CONV5", 156)])
def test_published_mappings(name, pes):
    """As many PEs compute as in the chip. CONV2 there: 135, the second half of a folded set is one
    column short; here that column computes an output row that is thrown away."""
    config = preset("eyeriss")
    shape = next(shape for shape in NETWORKS["alexnet"] if shape.name == name)
    fixed = given_mappings.gather(["eyeriss"], config, shapes=[shape], network="alexnet")
    net, _ = layer_network(shape, 0, np.random.default_rng(SEED))
    one, = nests(compile_network(net, config, mappings=fixed))
    m, published = one.mapping, MAPPINGS["alexnet"][name]
    assert (m.p, m.q) == (published["p"], published["q"])
    assert m.resident * m.t * m.p == published["m"]
    assert one.pictures[0].active == pes


@pytest.mark.parametrize("pe, name, message", [
    ("12x14", "vgg16", "the published mappings are those of the network alexnet"),
    ("8x14", "alexnet", "CONV1 stacks 1 sets of 11 rows, but the array has 8 rows"),
])
def test_published_mappings_refused(pe, name, message):
    rows, cols = map(int, pe.split("x"))
    with pytest.raises(HwgenError, match=message):
        given_mappings.gather(["eyeriss"], Config(rows=rows, cols=cols), shapes=NETWORKS[name],
                        network=name)
