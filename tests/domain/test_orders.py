"""Client ids: natural, stable, and different for every different wish."""

from hypothesis import given
from hypothesis import strategies as st

from domain.orders import BUY, FINAL, SELL, STATES, UNSENT, WORKING, client_order_id, side_word

WISH = {"env": "desk", "account": "paper", "signal_key": "bot:x:SIM:A:1d:T", "leg": 0}


def test_client_order_id_when_made_today_is_what_it_was_yesterday():
    assert client_order_id(**WISH, issue_no=0) == "PRY23TIA3RYRQ7TKPUWL"


@given(st.text(max_size=40), st.integers(0, 9), st.integers(0, 9))
def test_client_order_id_when_any_wish_is_twenty_letters_and_digits(key, leg, issue_no):
    made = client_order_id(env="e", account="a", signal_key=key, leg=leg, issue_no=issue_no)
    assert len(made) == 20
    assert made[0] == "P"
    assert set(made) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    other = client_order_id(env="e", account="a", signal_key=key, leg=leg, issue_no=issue_no + 1)
    assert made != other


def test_client_order_id_when_any_part_differs_differs():
    changes = [{"env": "x"}, {"account": "x"}, {"signal_key": "x"}, {"leg": 1}]
    made = {client_order_id(**{**WISH, **one}, issue_no=0) for one in [{}, *changes]}
    assert len(made) == 5


def test_states_when_grouped_are_each_in_one_group():
    assert sorted((*UNSENT, *WORKING, *FINAL)) == sorted(STATES)
    assert (side_word(BUY), side_word(SELL)) == ("buy", "sell")
