"""Choosing what to merge: the greedy soup's steps, its confirmation, and the repair's choice under the guard."""

from midtrain.models.merge_search import Attempt, choose_repair, greedy_soup


def test_a_greedy_soup_takes_the_best_first_and_what_does_not_hurt():
    values = {(0,): 1.0, (1,): 3.0, (2,): 2.0, (1, 2): 3.0, (0, 1, 2): 2.5}
    soup = greedy_soup(3, values.__getitem__, lambda members: len(members))
    assert list(soup.scores) == [(0,), (1,), (2,), (1, 2), (0, 1, 2)]
    assert soup.members == soup.chosen == (1, 2)
    assert soup.confirmed


def test_a_soup_that_is_not_confirmed_is_the_best_single_model():
    values = {(0,): 1.0, (1,): 2.0, (0, 1): 5.0}
    soup = greedy_soup(2, values.__getitem__, {(1,): 2.0, (0, 1): 1.9}.__getitem__)
    assert (soup.members, soup.chosen, soup.confirmed) == ((1,), (0, 1), False)


def test_a_single_model_needs_no_confirmation():
    def confirm(members):
        raise AssertionError("nothing was chosen")

    soup = greedy_soup(2, {(0,): 2.0, (1,): 1.0, (0, 1): 0.0}.__getitem__, confirm)
    assert (soup.members, soup.confirmed) == ((0,), True)


def test_a_repair_gains_most_of_what_keeps_the_guard():
    attempts = [
        Attempt(0.0, "broken", 9.0),
        Attempt(0.1, "broken", 8.0),
        Attempt(0.2, "unclear", 7.0),
        Attempt(0.3, "kept", 7.0),
        Attempt(0.5, "kept", 5.0),
    ]
    assert choose_repair(attempts) == attempts[2]
    assert choose_repair(attempts[:2]) is None
    assert choose_repair([Attempt(0.0, "unguarded", 1.0), Attempt(0.1, "unguarded", 0.5)]).alpha == 0.0
