import pytest
import torch
from torch import nn

from epochal import layers


def test_one_input_is_self_attention():
    layer = layers.MultiHeadAttention(2, 3)
    x = torch.randn(2, 5, 4)
    torch.testing.assert_close(layer(x), layer(x, x, x))


def test_it_computes_what_torchs_own_attention_does():
    theirs = nn.MultiheadAttention(8, 2, batch_first=True)
    nn.init.normal_(theirs.in_proj_bias)
    ours = layers.MultiHeadAttention(2, 4)
    query, source = torch.randn(3, 5, 8), torch.randn(3, 7, 8)
    ours(query, source)
    q, k, v = theirs.in_proj_weight.chunk(3)
    qb, kb, vb = theirs.in_proj_bias.chunk(3)
    ours.load_state_dict(
        {
            "q_proj_weight": q,
            "q_proj_bias": qb,
            "k_proj_weight": k,
            "k_proj_bias": kb,
            "v_proj_weight": v,
            "v_proj_bias": vb,
            "out_proj_weight": theirs.out_proj.weight,
            "out_proj_bias": theirs.out_proj.bias,
        }
    )
    expected, scores = theirs(query, source, source, average_attn_weights=False)
    outputs, own_scores = ours(query, source, return_attention_scores=True)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(own_scores, scores)
    torch.testing.assert_close(ours(query, source), expected)


def test_a_causal_mask_hides_what_comes_later():
    layer = layers.MultiHeadAttention(2, 3)
    x = torch.randn(1, 6, 4)
    before = layer(x, use_causal_mask=True)
    x[:, 4:] = 0
    torch.testing.assert_close(layer(x, use_causal_mask=True)[:, :4], before[:, :4])


@pytest.mark.parametrize("shape", [(2, 5, 7), (5, 7), (1, 5, 7), (2, 1, 7)])
def test_masked_sources_are_never_read(shape):
    layer = layers.MultiHeadAttention(2, 3)
    query, source = torch.randn(2, 5, 4), torch.randn(2, 7, 4)
    mask = torch.ones(shape, dtype=torch.bool)
    mask[..., 3:] = False
    before = layer(query, source, attention_mask=mask)
    source[:, 3:] = 100.0
    torch.testing.assert_close(layer(query, source, attention_mask=mask), before)


def test_a_place_that_may_read_from_nowhere_gives_numbers():
    layer = layers.MultiHeadAttention(2, 3)
    x = torch.randn(1, 4, 4)
    nowhere = torch.zeros(1, 4, 4, dtype=torch.bool)
    assert torch.isfinite(layer(x, attention_mask=nowhere)).all()


def test_dropout_acts_in_training_only():
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5)
    x = torch.randn(2, 5, 4)
    torch.testing.assert_close(layer.eval()(x), layer(x, training=False))
    assert not torch.equal(layer.train()(x), layer(x))


def test_dropout_with_a_seed_draws_from_its_own_generator():
    x = torch.randn(2, 5, 4)
    one = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    other = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    one.eval()(x)
    other.eval()(x)
    other.set_weights(one.get_weights())
    before = torch.get_rng_state()
    torch.testing.assert_close(one.train()(x), other.train()(x))
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(one.eval()(x), other.eval()(x))


def test_query_value_and_key_may_have_sizes_of_their_own():
    layer = layers.MultiHeadAttention(2, 3, value_dim=5, output_shape=(6,))
    outputs = layer(torch.randn(2, 4, 3), value=torch.randn(2, 7, 8), key=torch.randn(2, 7, 9))
    assert outputs.shape == (2, 4, 6)
    assert [w.shape for w in layers.named_weights(layer)][::2] == [
        (3, 2, 3),
        (9, 2, 3),
        (8, 2, 5),
        (2, 5, 6),
    ]


def test_its_penalty_covers_all_four_kernels():
    layer = layers.MultiHeadAttention(2, 3, kernel_regularizer="l1", kernel_initializer="ones")
    layer(torch.randn(2, 5, 4))
    assert layer.penalty().item() == pytest.approx(0.01 * 4 * 24)
