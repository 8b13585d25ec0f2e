"""Inverters of other programs, read from small files in their layouts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from core.errors import CheckpointError, ConfigError
from gen.checkpoint import fingerprint
from inversion import inverter_file
from inversion.encoder_inverter import EncoderInverter
from inversion.inverter_file import InverterInfo
from inversion.methods import InversionMethod, Method, choose_method
from inversion.networks.layer_encoder import LayerEncoder
from inversion.published.importing import describe_inverter, read_inverter
from inversion.quality import Judge
from tests.inversion.published.published_files import (
    AVERAGE,
    LAYER_ENCODERS,
    decoder,
    write_encoder,
    write_hyperstyle,
    write_w_encoder,
)


def face(side: int = 64) -> torch.Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_hyperstyle_is_read_with_its_w_encoder(tmp_path: Path) -> None:
    checkpoint, encoder = write_hyperstyle(tmp_path / "h.pt"), write_w_encoder(tmp_path / "w.pt")
    imported = read_inverter(checkpoint, encoder, conv_clamp=256)
    inverter = imported.inverter
    assert (imported.kind, imported.notes) == ("HyperStyle", ())
    assert inverter.generator.config.conv_clamp == 256
    torch.testing.assert_close(inverter.latent_avg, AVERAGE)
    made = inverter.invert(face(100), passes=2)
    assert made.steps == (2,)
    assert set(made.offsets) == set(inverter.generator.kernel_shapes)
    assert made.quality[0].verdict is None
    assert describe_inverter(checkpoint) == "HyperStyle, without its W encoder, which is a file of its own"


def test_the_average_latent_may_come_from_the_w_encoder(tmp_path: Path) -> None:
    checkpoint = write_hyperstyle(tmp_path / "h.pt", latent_avg=None)
    imported = read_inverter(checkpoint, write_w_encoder(tmp_path / "w.pt"))
    torch.testing.assert_close(imported.inverter.latent_avg, AVERAGE)
    assert len(imported.notes) == 2


@pytest.mark.parametrize("kind", LAYER_ENCODERS)
@torch.no_grad()
def test_encoders_of_each_layer_are_read(kind: str, tmp_path: Path) -> None:
    path = write_encoder(tmp_path / "e.pt", kind)
    inverter = read_inverter(path).inverter
    assert isinstance(inverter, EncoderInverter)
    config = LAYER_ENCODERS[kind]
    assert inverter.w_encoder.config == config
    seen = F.interpolate(face(), (256, 256), mode="bilinear", align_corners=False)
    encoder, generator = inverter.w_encoder, inverter.generator
    if config.passes:
        w = AVERAGE[None]
        for _ in range(5):
            shown = F.interpolate(generator.synthesize(w), (256, 256), mode="bilinear", align_corners=False)
            w = w + encoder(torch.cat([seen, shown], dim=1))
    else:
        w = AVERAGE + encoder(seen)
    torch.testing.assert_close(inverter.encode(face()), w, rtol=1e-4, atol=1e-4)
    made = inverter.invert(face())
    assert (made.method, made.steps, made.offsets) == ("encoder", (config.passes,), {})
    torch.testing.assert_close(made.reconstruction, generator.synthesize(w).clamp(-1, 1), rtol=1e-3, atol=1e-3)
    assert describe_inverter(path) == f"encoder {kind}"


@torch.no_grad()
def test_rows_of_a_pyramid_read_maps_of_their_scale() -> None:
    config = LAYER_ENCODERS["Encoder4Editing"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = LayerEncoder(config, 16).eval()
    assert [len(head.convs) // 2 for head in net.styles] == [4] * 3 + [5] * 4 + [6] * (config.rows - 7)
    for head in list(net.styles)[1:]:
        torch.nn.init.zeros_(head.linear.weight)
    rows = net(torch.rand(1, 3, 256, 256))
    torch.testing.assert_close(rows, rows[:, :1].expand_as(rows))  # offsets of zero leave the base
    assert rows.abs().max() > 0


def test_codes_of_an_encoder_may_be_absolute(tmp_path: Path) -> None:
    options = {"encoder_type": "SingleStyleCodeEncoder", "start_from_latent_avg": False}
    inverter = read_inverter(write_encoder(tmp_path / "e.pt", "SingleStyleCodeEncoder", opts=options)).inverter
    assert not inverter.latent_avg.any()
    assert inverter.encode(face()).shape == (1, 10, 16)


@pytest.mark.parametrize("kind", ["Encoder4Editing", "SingleStyleCodeEncoder"])
def test_an_encoder_alone_is_stored_and_starts_pivotal_tuning(kind: str, tmp_path: Path) -> None:
    inverter = read_inverter(write_encoder(tmp_path / "e.pt", kind)).inverter
    path = tmp_path / "inverter.safetensors"
    inverter_file.save(path, inverter, InverterInfo(fingerprint(inverter.generator)))
    again = inverter_file.load(path, inverter.generator)
    torch.testing.assert_close(again.encode(face()), inverter.encode(face()), rtol=0.02, atol=0.02)  # float16
    assert choose_method(again) is Method.ENCODER
    with pytest.raises(ConfigError, match="pti"):
        InversionMethod(inverter.generator, again, Judge(), Method.HYPERSTYLE)
    made = InversionMethod(inverter.generator, again, Judge(), Method.PTI, steps=2)(face())
    assert made.offsets
    rows_differ = bool((made.w - made.w[:, :1]).abs().max() > 0.01)
    assert rows_differ == (kind == "Encoder4Editing")
    with pytest.raises(CheckpointError, match="encoder alone"):
        inverter_file.load(path, inverter.generator, of_another=True)


def test_files_that_are_wrong_or_incomplete_are_named_with_a_remedy(tmp_path: Path) -> None:
    whole, encoder = write_hyperstyle(tmp_path / "h.pt"), write_w_encoder(tmp_path / "w.pt")
    e4e = write_encoder(tmp_path / "e4e.pt", "Encoder4Editing")
    state = torch.load(e4e)["state_dict"]
    half = dict(list(state.items())[: len(state) - 40])
    strange = {"encoder_type": "ResNetBackboneEncoder"}
    hyper = torch.load(whole)["state_dict"]
    broken = hyper | {"hypernet.conv1.weight": torch.full((4, 6, 7, 7), torch.nan)}
    less = {name: value for name, value in hyper.items() if not name.startswith("hypernet.body.2")}
    other = {name: value + 1 for name, value in decoder().items()} | {
        name: value
        for name, value in torch.load(encoder, weights_only=False)["state_dict"].items()
        if "encoder" in name
    }
    cases = [
        (whole, None, "--w-encoder"),
        (whole, e4e, "Encoder4Editing"),
        (whole, whole, "holds no encoder"),
        (e4e, encoder, "leave `--w-encoder` out"),
        (write_encoder(tmp_path / "half.pt", "Encoder4Editing", state_dict=half), None, "download it again"),
        (write_encoder(tmp_path / "type.pt", "Encoder4Editing", opts=strange), None, "'ResNetBackboneEncoder'"),
        (write_encoder(tmp_path / "none.pt", "Encoder4Editing", opts={}), None, "encoder_type"),
        (
            write_encoder(tmp_path / "kind.pt", "Encoder4Editing", opts={"encoder_type": "WEncoder"}),
            None,
            "linear.weight",
        ),
        (write_encoder(tmp_path / "avg.pt", "Encoder4Editing", latent_avg=None), None, "latent_avg"),
        (write_hyperstyle(tmp_path / "nan.pt", state_dict=broken), encoder, "hypernet.conv1.weight"),
        (write_hyperstyle(tmp_path / "less.pt", state_dict=less), encoder, "body.2"),
        (write_hyperstyle(tmp_path / "size.pt", opts={"output_size": 1024}), encoder, "1024"),
        (whole, write_w_encoder(tmp_path / "other.pt", state_dict=other), "another generator"),
        (write_hyperstyle(tmp_path / "gen.pt", state_dict=decoder()), None, "no hypernetwork"),
        (
            write_hyperstyle(tmp_path / "enc.pt", state_dict={k: v for k, v in hyper.items() if "hyper" in k}),
            encoder,
            "decoder",
        ),
        (tmp_path / "absent.pt", None, "absent.pt"),
    ]
    for path, second, words in cases:
        with pytest.raises(CheckpointError, match=words) as error:
            read_inverter(path, second)
        assert len(str(error.value)) < 700
    cut = tmp_path / "cut.pt"
    cut.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="download it again"):
        read_inverter(cut, encoder)
