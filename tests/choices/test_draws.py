import numpy as np
from scipy.stats import chisquare

from mllm_classify.choices import draws


def test_numbers_are_splitmix64s():
    """The first output of the published generator from this seed."""
    assert draws.draw(np.uint64(1234567)).item() == 6457827717110365317


def test_numbers_are_what_they_have_always_been():
    """Options of published studies must stay theirs."""
    assert draws.key("a purpose") == np.uint64(0x58A25DF59503E164)
    assert draws.draw(draws.key("a"), np.arange(3, dtype=np.uint64)).tolist() == [
        0xB64554E504F04EBB,
        0x6B3142B565C9C66E,
        0x5E61D31E3802FDAE,
    ]


def test_a_number_depends_on_every_part_and_on_their_order():
    one, other = draws.key("one"), draws.key("other")
    found = {
        int(draws.draw(*parts)[0])
        for parts in [(one,), (other,), (one, other), (other, one), (one, one), (one, one, one)]
    }
    assert len(found) == 6


def test_what_stands_beside_a_number_does_not_change_it():
    keys = draws.keys(f"image{number}" for number in range(100))
    repeats = np.arange(7, dtype=np.uint64)
    together = draws.draw(keys[:, None], repeats[None, :])
    assert together.shape == (100, 7)
    for image, repeat in [(0, 0), (42, 3), (99, 6)]:
        assert draws.draw(keys[image], repeats[repeat]).item() == together[image, repeat]


def test_numbers_below_a_bound_are_even():
    keys = draws.keys(f"image{number}" for number in range(200))
    for count in (3, 7, 1000):
        drawn = draws.below(draws.draw(keys[:, None], np.arange(500, dtype=np.uint64)), count)
        assert drawn.min() >= 0
        assert drawn.max() == count - 1
        assert chisquare(np.bincount(drawn.ravel(), minlength=count)).pvalue > 1e-3


def test_neighbouring_purposes_are_not_alike():
    """Repeats are numbered one after the other."""
    keys = draws.keys(f"image{number}" for number in range(2000))
    first, second = (draws.draw(keys, np.uint64(repeat)) for repeat in (0, 1))
    bits = np.unpackbits((first ^ second).view(np.uint8))
    assert abs(bits.mean() - 0.5) < 0.01


def test_the_class_list_is_shuffled_by_repeat():
    orders = [draws.shuffled_classes(1000, repeat).tolist() for repeat in range(3)]
    assert all(sorted(order) == list(range(1000)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert orders[1] == draws.shuffled_classes(1000, 1).tolist()


def test_the_class_list_has_an_order_for_every_purpose_and_those_of_published_studies_stay():
    assert draws.shuffled_classes(8, 1).tolist() == [2, 5, 7, 0, 1, 6, 3, 4]
    orders = {
        tuple(draws.shuffled_classes(8, repeat, *purpose).tolist())
        for repeat in (0, 1)
        for purpose in [(), (draws.key("a"),), (draws.key("b"),), (draws.key("a"), np.uint64(1))]
    }
    assert len(orders) == 8
