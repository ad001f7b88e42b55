"""History encoders: what they read, what they leave out, and the equations of the first."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from shortlist.core.errors import UserError
from shortlist.nn.batch import Bag, Batch, History
from shortlist.nn.featuriser import EmbeddingSettings, Featuriser
from shortlist.nn.history import Encoding, TargetAttention, TransformerEncoder, history_encoder
from shortlist.testing.inputs import HISTORY, random_rows, ranking_inputs

D = 4
ONE_BY_ONE: tuple[Encoding, ...] = ("target_attention", "gru", "transformer")


def history(*lengths: int) -> tuple[Tensor, History]:
    """Random events, and three rows: two of the first history and one of the second."""
    torch.manual_seed(1)
    length_U = torch.tensor(lengths)
    mask_UL = torch.arange(HISTORY) < length_U[:, None]
    event_ULD = torch.randn(len(lengths), HISTORY, D) * mask_UL[..., None]
    of_B = torch.tensor([0, 0, len(lengths) - 1])
    return event_ULD, History(Bag(mask_UL.int(), length_U), of_B)


def encoded(encoding: Encoding, event_ULD: Tensor, of: History) -> Tensor:
    torch.manual_seed(0)
    encoder = history_encoder(encoding, D, HISTORY)
    assert encoder is not None
    result: Tensor = encoder(event_ULD, of, torch.arange(3.0)[:, None].expand(3, D))
    return result


@pytest.mark.parametrize("encoding", ONE_BY_ONE)
def test_an_empty_history_is_zeros(encoding: Encoding) -> None:
    event_ULD, of = history(3, 0)
    encoded_BD = encoded(encoding, event_ULD, of)

    assert encoded_BD.shape == (3, D)
    assert encoded_BD[:2].any(dim=1).all()
    assert not encoded_BD[2].any()


@pytest.mark.parametrize("encoding", ONE_BY_ONE)
def test_more_padding_changes_nothing(encoding: Encoding) -> None:
    event_ULD, of = history(3, 2)
    narrow = History(Bag(of.events.values_BH[:, :3], of.events.length_B), of.of_B)

    torch.testing.assert_close(encoded(encoding, event_ULD, of), encoded(encoding, event_ULD[:, :3], narrow))


def test_a_set_is_its_plain_mean_and_one_with_an_order_learns_weights() -> None:
    inputs = replace(ranking_inputs(), past=())
    rows = Batch.of(random_rows(inputs, 6))
    a_set, in_order = (
        Featuriser(replace(inputs, history_in_order=order), EmbeddingSettings(embedding_dim=D))
        for order in (False, True)
    )
    assert in_order.history is not None
    assert a_set.history is not None
    assert rows.history is not None
    assert inputs.history is not None
    assert [name for name, _ in in_order.history.named_parameters()] == ["recency.log_weight_L"]
    assert not list(a_set.history.parameters())

    found_BD = a_set.history(rows, rows.history, a_set.embeddings)
    table = a_set.embeddings.of(inputs.history)
    for i in range(6):
        of = rows.history.of_B[i]
        ids_H = rows.history.events.values_BH[of, : rows.history.events.length_B[of]]
        expected_D = table(ids_H[:, None], [inputs.history]).sum((0, 1)) / max(len(ids_H), 1)
        torch.testing.assert_close(found_BD[i], expected_D)


@pytest.mark.parametrize("encoding", ["gru", "transformer"])
def test_what_goes_by_the_order_refuses_a_set(encoding: Encoding) -> None:
    inputs = replace(ranking_inputs(), history_in_order=False)

    with pytest.raises(
        UserError, match=rf'history = "{encoding}" goes by the order of events, and the log has no times'
    ):
        Featuriser(inputs, EmbeddingSettings(embedding_dim=D), history=encoding)


def test_target_attention_is_a_sum_weighted_by_a_network_of_both() -> None:
    event_ULD, of = history(3, 2)
    torch.manual_seed(0)
    unit = TargetAttention(D)
    candidate_BD = torch.randn(3, D)
    found_BD = unit(event_ULD, of, candidate_BD)

    # The activation unit of the paper: one layer on [event, item, event * item], and its opinion of each event.
    matrix = torch.cat([unit.of_event.weight, unit.of_item.weight, unit.of_both.weight], dim=1)
    for b in range(3):
        expected_D = torch.zeros(D)
        for event_D in event_ULD[of.of_B[b], : of.events.length_B[of.of_B[b]]]:
            both = torch.cat([event_D, candidate_BD[b], event_D * candidate_BD[b]])
            expected_D = expected_D + event_D * unit.opinion(torch.relu(matrix @ both + unit.of_event.bias))
        torch.testing.assert_close(found_BD[b], expected_D)


def test_two_rows_of_one_history_attend_by_their_own_items() -> None:
    encoded_BD = encoded("target_attention", *history(3, 2))

    assert not torch.equal(encoded_BD[0], encoded_BD[1])


@pytest.mark.parametrize("encoding", ["gru", "transformer"])
def test_sequence_encoders_know_the_order(encoding: Encoding) -> None:
    event_ULD, of = history(3, 3)
    turned_ULD = event_ULD.clone()
    turned_ULD[:, :2] = event_ULD[:, [1, 0]]
    torch.manual_seed(0)
    encoder = history_encoder(encoding, D, HISTORY)
    assert encoder is not None
    if isinstance(encoder, TransformerEncoder):
        torch.nn.init.normal_(encoder.position_LD)
    candidate_BD = torch.zeros(3, D)

    assert not torch.allclose(encoder(event_ULD, of, candidate_BD), encoder(turned_ULD, of, candidate_BD))


@pytest.mark.parametrize("encoding", ONE_BY_ONE)
def test_types_and_ages_of_events_are_read(encoding: Encoding) -> None:
    inputs = ranking_inputs()
    torch.manual_seed(0)
    features = Featuriser(inputs, EmbeddingSettings(embedding_dim=D), history=encoding)
    batch = Batch.of(random_rows(inputs, 8))
    assert batch.history is not None
    assert batch.history.past_ULP is not None
    for place, column in enumerate(inputs.past):
        other_ULP = batch.history.past_ULP.clone()
        other_ULP[..., place] = column.offset
        changed = Batch(
            batch.ids_BF, batch.numbers_BN, batch.bags, History(batch.history.events, batch.history.of_B, other_ULP)
        )
        assert not torch.equal(features(batch), features(changed))
