from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_towers import CONFIG, tiny_decoder
from torch.nn import functional as F

from models.bidirectional import Decoder, RopeScaling, attend, attention_mask, rotary_table, rotate

LLAMA3 = RopeScaling(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
IDS = torch.tensor([[5, 17, 200, 31, 9, 44, 3, 101, 77], [8, 250, 6, 90, 12, 2, 2, 2, 2]])
ATTENDED = torch.tensor([[True] * 9, [True] * 5 + [False] * 4])


def library_states(decoder: Decoder) -> torch.Tensor:
    """What transformers' LlamaModel with the same weights makes of IDS."""
    from transformers import LlamaConfig, LlamaModel

    shape = decoder.config
    rope = {"rope_type": "default", "rope_theta": shape.rope_theta}
    if shape.rope_scaling is not None:
        rope |= {"rope_type": "llama3", **vars(shape.rope_scaling)}
    config = LlamaConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_hidden_layers,
        num_attention_heads=shape.num_attention_heads,
        num_key_value_heads=shape.num_key_value_heads,
        rms_norm_eps=shape.rms_norm_eps,
        rope_parameters=rope,
        max_position_embeddings=512,
        use_cache=False,
    )
    model = LlamaModel(config).eval()
    model.load_state_dict(decoder.state_dict())
    model.config.is_causal = decoder.attention == "causal"
    with torch.no_grad():
        return model(input_ids=IDS, attention_mask=ATTENDED.long()).last_hidden_state


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize("scaling", [None, LLAMA3], ids=["plain", "llama3"])
def test_equals_the_librarys_llama_with_the_same_weights(attention, scaling):
    decoder = tiny_decoder(attention, replace(CONFIG, rope_scaling=scaling))
    with torch.no_grad():
        ours = decoder(IDS, ATTENDED)
    difference = (ours - library_states(decoder))[ATTENDED].abs().max()
    assert difference < 1e-5


def test_the_attention_switch_changes_the_states():
    causal, both = tiny_decoder("causal"), tiny_decoder("bidirectional")
    assert not torch.allclose(causal(IDS, ATTENDED)[0, 0], both(IDS, ATTENDED)[0, 0], atol=1e-3)


@pytest.mark.parametrize(("attention", "sees_ahead"), [("causal", False), ("bidirectional", True)])
@pytest.mark.parametrize("row", [0, 1], ids=["full", "padded"])
def test_the_last_token_reaches_the_first_only_when_bidirectional(attention, sees_ahead, row):
    decoder = tiny_decoder(attention)
    changed = IDS.clone()
    changed[row, int(ATTENDED[row].sum()) - 1] = 123
    before, after = decoder(IDS, ATTENDED)[row, 0], decoder(changed, ATTENDED)[row, 0]
    assert torch.allclose(before, after, atol=1e-6) != sees_ahead


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
def test_what_stands_in_the_padding_changes_nothing(attention):
    decoder = tiny_decoder(attention)
    changed = torch.where(ATTENDED, IDS, torch.tensor(99))
    assert torch.equal(decoder(IDS, ATTENDED)[ATTENDED], decoder(changed, ATTENDED)[ATTENDED])


def test_masks_hide_padding_and_if_causal_the_future():
    attended = torch.tensor([[True, True, False]])
    visible = {kind: (attention_mask(attended, kind)[0, 0] == 0).int() for kind in ("bidirectional", "causal")}
    assert visible["bidirectional"].tolist() == [[1, 1, 0], [1, 1, 0], [1, 1, 0]]
    assert visible["causal"].tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 0]]


@pytest.mark.parametrize("kind", ["bidirectional", "causal"])
@pytest.mark.parametrize("groups", [1, 2, 4], ids=["own keys", "shared by two", "shared by all"])
def test_attention_written_out_equals_the_fused_kernel(kind, groups):
    torch.manual_seed(0)
    q = torch.randn(2, 4, 9, 8, requires_grad=True)  # [b, h, l, e]
    k, v = (torch.randn(2, 4 // groups, 9, 8, requires_grad=True) for _ in range(2))
    mask = attention_mask(ATTENDED, kind)
    written = attend(q, k, v, mask)
    with torch.no_grad():
        fused = attend(q, k, v, mask)
    assert written.requires_grad
    assert (written - fused)[ATTENDED[:, None].expand(-1, 4, -1)].abs().max() < 1e-6
    library = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    ours = torch.autograd.grad(written[:, :, :5].square().sum(), (q, k, v))
    theirs = torch.autograd.grad(library[:, :, :5].square().sum(), (q, k, v))
    for one, other in zip(ours, theirs, strict=True):
        assert (one - other).abs().max() < 1e-5


@pytest.mark.parametrize("kind", ["bidirectional", "causal"])
def test_a_position_attends_to_what_its_mask_shows_and_to_nothing_else(kind):
    q, k = torch.zeros(2, 1, 9, 4), torch.zeros(2, 1, 9, 4)  # equal scores: the mean of the values in sight
    v = torch.arange(9.0).expand(2, 1, 9)[..., None].expand(-1, -1, -1, 4)
    mean = attend(q.requires_grad_(), k, v, attention_mask(ATTENDED, kind))[:, 0, :, 0]
    last = {"bidirectional": [8] * 9, "causal": range(9)}[kind]
    assert mean[0].tolist() == pytest.approx([sum(range(end + 1)) / (end + 1) for end in last])
    assert mean[1, 4].item() == pytest.approx(2)  # of 0 … 4; the padding is never seen


def test_states_at_the_last_depth_are_those_of_a_forward_pass_and_at_0_those_of_the_token_table():
    decoder = tiny_decoder()
    with torch.no_grad():
        decoder.norm.weight.fill_(1.0)
        below, last = decoder.states_at((0, CONFIG.num_hidden_layers), IDS, ATTENDED)
        assert torch.allclose(last, decoder(IDS, ATTENDED), atol=1e-6)
        table = decoder.embed_tokens(IDS)
    assert torch.allclose(below, table / (table.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt(), atol=1e-5)


def test_rotation_turns_pairs_by_their_positions_angle():
    config = replace(CONFIG, hidden_size=8, num_attention_heads=2, rope_theta=100.0)  # angles 1 and 100 ** -0.5 = 0.1
    cos, sin = rotary_table(config, 3, torch.device("cpu"))
    turned = rotate(torch.tensor([[[[1.0, 0.0, 0.0, 2.0]] * 3]]), cos, sin)[0, 0, 2]
    angles = torch.tensor([2.0, 0.2])
    expected = torch.cat((angles.cos() * torch.tensor([1.0, 0]), angles.sin() * torch.tensor([1.0, 0])))
    expected += torch.tensor([0, -2 * angles[1].sin(), 0, 2 * angles[1].cos()])
    assert torch.allclose(turned, expected, atol=1e-6)


def test_llama3_scaling_keeps_fast_rotations_and_stretches_slow_ones():
    device = torch.device("cpu")
    _, plain = rotary_table(CONFIG, 2, device)
    _, scaled = rotary_table(replace(CONFIG, rope_scaling=LLAMA3), 2, device)
    assert scaled[1, 0] == plain[1, 0]
    assert scaled[1, 7].item() == pytest.approx(plain[1, 7].item() / 8, rel=1e-3)


def test_bf16_stays_close_to_fp32_and_its_residual_stream_stays_fp32():
    exact, rough = tiny_decoder(), tiny_decoder().to(torch.bfloat16)
    streams = []
    for layer in rough.layers:
        layer.register_forward_hook(lambda _module, _given, stream: streams.append(stream.dtype))
    with torch.no_grad():
        cosines = F.cosine_similarity(exact(IDS, ATTENDED), rough(IDS, ATTENDED).float(), dim=-1)[ATTENDED]
    assert streams == [torch.float32] * CONFIG.num_hidden_layers
    assert 0.99 < cosines.min() < 1
