"""The encoder is that of torch, whose weights it can have, and looks at no absent point."""

from __future__ import annotations

import torch
from torch import nn

from generators.networks.post_norm import PostNormEncoder, PostNormLayer


def test_a_layer_is_that_of_torch() -> None:
    torch.manual_seed(1)
    ours = PostNormLayer(8, 2, 16, 0.2).eval()
    theirs = nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0.0, activation=lambda x: nn.functional.leaky_relu(x, 0.2), batch_first=True
    )
    with torch.no_grad():
        attention = theirs.self_attn
        attention.in_proj_weight.copy_(torch.cat([ours.attention.ask.weight, ours.attention.offer.weight]))
        attention.in_proj_bias.copy_(torch.cat([ours.attention.ask.bias, ours.attention.offer.bias]))
        attention.out_proj.load_state_dict(ours.attention.leave.state_dict())
        for own, other in ((ours.widen, theirs.linear1), (ours.narrow, theirs.linear2)):
            other.load_state_dict(own.state_dict())
    x = torch.randn(3, 5, 8)
    mask = torch.arange(5) < torch.tensor([5, 3, 1])[:, None]
    expected = theirs(x, src_key_padding_mask=~mask)
    torch.testing.assert_close(ours(x, mask[:, None, None])[mask], expected[mask], atol=1e-5, rtol=1e-4)


def test_absent_points_change_nothing() -> None:
    torch.manual_seed(2)
    encoder = PostNormEncoder(3, width=8, layers=2, heads=2, hidden=16)
    x, mask = torch.randn(2, 4, 3), torch.arange(4) < torch.tensor([4, 2])[:, None]
    other = torch.where(mask[..., None], x, torch.full_like(x, 7.0))
    torch.testing.assert_close(encoder(other, mask)[mask], encoder(x, mask)[mask])
