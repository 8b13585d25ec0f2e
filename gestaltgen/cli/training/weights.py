"""`gestaltgen weights …`: bring published checkpoints in, look into files of weights, and export them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import weights as shipped
from core import tensor_files
from core.errors import CheckpointError, ConfigError, LabelError
from core.seen_images import UNKNOWN, SeenImages
from faces.datasets.dataset import Dataset
from faces.labels import AGE_GROUPS, AgeGroup
from faces.measures.face_api import load_age_network
from faces.oracle import attribute_network
from gen import checkpoint
from gen.checkpoint import CheckpointInfo
from gen.evaluation import age_calibration
from gen.evaluation.age_calibration import ReadAges
from gen.labels import Vocabulary
from gen.onnx_export import NOTICE, export_onnx
from gen.published import importing
from gen.published.importing import Imported
from gen.training.warm_start import with_label_centres
from gestaltgen.cli.console import make_console
from gestaltgen.cli.error_messages import ReportingGroup
from gestaltgen.cli.progress import stepping_bar
from gestaltgen.cli.training.audit import audit
from gestaltgen.cli.training.inverter_import import INVERTER, import_inverter
from inversion.published.importing import describe_inverter

app = typer.Typer(
    cls=ReportingGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Import, show, audit, calibrate and export weights.",
)
app.command()(audit)
_console = make_console(soft_wrap=True)

NVIDIA_LICENCE = (
    "NVIDIA Source Code License for StyleGAN2-ADA: non-commercial use only (assumed from the file's format, which "
    "does not state a licence)"
)


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="A .pkl, .pt or .safetensors file; its first bytes tell which.")],
    out: Annotated[Path, typer.Option(help="Checkpoint to write, a name ending in .safetensors; not yet there.")],
    part: Annotated[
        str,
        typer.Option(
            help="G_ema (the generator to use), G (the one in training), D (the discriminator), or inverter (the "
            "generator, and beside it the inverter)."
        ),
    ] = "G_ema",
    w_encoder: Annotated[
        Path | None, typer.Option(help="With --part inverter: file of HyperStyle's W encoder, faces_w_encoder.pt.")
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(help="Name of a label column of a conditional network; repeat in the order of the columns."),
    ] = None,
    age: Annotated[
        list[str] | None,
        typer.Option(help="Age group of the columns after them, as in infant:0-2 or old:35- ; unset: the usual five."),
    ] = None,
    conv_clamp: Annotated[
        float | None,
        typer.Option(help="Limit of each layer's output, where the file does not tell it (.pt, foreign .safetensors)."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Of the weights, stored in them. Unset: the file's own, NVIDIA's for a .pkl.")
    ] = None,
    origin: Annotated[
        str | None, typer.Option(help="Where the weights come from, stored in them. Unset: the file's name and sha256.")
    ] = None,
    trained_on: Annotated[
        list[Path] | None,
        typer.Option(
            help="Data set that it was trained on, or checkpoint that it was fine-tuned from; repeat for all of them, "
            "so that no classifier is tested on images that the generator of its training images has seen. Unset: "
            "what the file says."
        ),
    ] = None,
) -> None:
    """Read one network of another program's checkpoint and write it as ours.

    Reads NVIDIA's StyleGAN2-ADA pickles, PyTorch files in rosinality's layout
    (HyperStyle, e4e and pSp decoders too) and safetensors. No code in the file is run: a file that asks for more than
    numbers and plain data is refused, and the message names what it asks for. Every tensor is listed with where it
    went.

    To begin a training of your own from NVIDIA's FFHQ weights:

        gestaltgen weights import ffhq-256.pkl --out ffhq256.safetensors

    A conditional network needs names for its label columns, conditions before
    ages, and an embedding that is split into the two, as ours is:

        gestaltgen weights import duong.pkl --out duong.safetensors
        --condition WS --condition 22q11DS --condition other
        --condition unaffected

    HyperStyle's checkpoint becomes a generator and an inverter, ffhq.safetensors
    and ffhq-inverter.safetensors; those of e4e, pSp and ReStyle too, without
    --w-encoder:

        gestaltgen weights import hyperstyle_ffhq.pt --part inverter
        --w-encoder faces_w_encoder.pt --out ffhq.safetensors --licence ...

    The weights keep their licence: NVIDIA's allows no commercial use, whatever
    program runs them.
    """
    _check_new(out)
    if part not in (*importing.PARTS, INVERTER):
        raise typer.BadParameter(f"unknown part {part!r}; expected one of {', '.join((*importing.PARTS, INVERTER))}")
    if part == INVERTER:
        if licence is None:
            raise CheckpointError(f"{file} does not state the licence of its weights; say it with --licence")
        if condition or age:
            raise LabelError("--condition and --age name the labels of a generator; that of an inverter has none")
        seen = _seen_images(trained_on) if trained_on else UNKNOWN
        paths = import_inverter(
            file, w_encoder, out, licence=licence, origin=origin, seen=seen, conv_clamp=conv_clamp, console=_console
        )
        _console.print(f"\nwritten: {paths[0]} and {paths[1]}")
        _print_info(checkpoint.read_info(out))
        return
    if w_encoder is not None:
        raise typer.BadParameter(f"--w-encoder belongs to --part {INVERTER}")
    imported = importing.read_weights(file, part, vocabulary=_vocabulary(condition, age), conv_clamp=conv_clamp)
    licence = licence if licence is not None else _licence(file, imported)
    _print_placements(imported)
    info = imported.info
    if origin is None:
        said = f"{info.origin}; " if info and info.origin else ""
        origin = f"{said}imported from {part} of {file.name} ({imported.kind}), sha256 {tensor_files.sha256(file)}"
    checkpoint.save(
        out,
        imported.net,
        **(info.header if info else {})
        | {"origin": origin, "licence": licence}
        | ({"seen": _seen_images(trained_on)} if trained_on else {}),
    )
    _console.print(f"\nwritten: {out}")
    _print_info(checkpoint.read_info(out))


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A checkpoint of ours, or any file that `import` reads.")],
) -> None:
    """Tell what a file of weights holds, and what it says of itself.

    Of our checkpoints: the network and its configuration, labels, origin, licence and training images. Of others: the
    networks in it, as names for `import --part`.
    """
    held = importing.contents(file)
    _console.print(f"{file}: {held.kind}")
    if held.info is not None:
        _print_info(held.info)
        return
    for part, about in held.parts.items():
        _console.print(f"  {part}: {about}")
    inverter = describe_inverter(file) if held.kind == importing.PYTORCH_FILE else None
    if inverter is not None:
        _console.print(f"  {INVERTER}: {_printable(inverter)}", markup=False)
    for line in held.left_out:
        _console.print(f"  {_printable(line)}", markup=False)


@app.command()
def centre(
    file: Annotated[Path, typer.Argument(help="A conditional generator's checkpoint, of ours.")],
    out: Annotated[Path, typer.Option(help="Checkpoint to write, a name ending in .safetensors; not yet there.")],
) -> None:
    """Truncate towards the centre of each image's own label, instead of one centre for all.

    Truncation trades variety for quality by drawing a face towards an average one. Published generators have one
    average for everybody, so that truncation weakens condition and age; with an average for each label they stay.
    Without truncation nothing changes.
    """
    _check_new(out)
    info = checkpoint.read_info(file)
    try:
        centred = with_label_centres(checkpoint.load_generator(file))
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    checkpoint.save(
        out,
        centred,
        **info.header | {"origin": f"{info.origin or file.name}; truncation centred on labels"},
    )
    _console.print(f"written: {out}")
    _print_info(checkpoint.read_info(out))


@app.command()
def compact(
    file: Annotated[Path, typer.Argument(help="Checkpoint of a network, of ours.")],
    out: Annotated[Path, typer.Option(help="Checkpoint to write, a name ending in .safetensors; not yet there.")],
) -> None:
    """Store a network in float16, half as large.

    Its values are rounded, so inverters, directions and inversions that were made with the original do not fit it:
    make them anew. The network computes in float32 as before.
    """
    _check_new(out)
    net = checkpoint.load(file).half()
    if too_large := [name for name, value in net.state_dict().items() if not value.isfinite().all()]:
        raise ConfigError(f"{file}: {too_large[0]} has values that float16 cannot hold; keep the checkpoint as it is")
    checkpoint.save(out, net, **checkpoint.read_info(file).header)
    _console.print(f"written: {out}")
    _print_info(checkpoint.read_info(out))


@app.command(name="calibrate-ages")
def calibrate_ages(
    file: Annotated[Path, typer.Argument(help="A conditional generator's checkpoint, of ours.")],
    out: Annotated[Path, typer.Option(help="Checkpoint to write, a name ending in .safetensors; not yet there.")],
    oracle: Annotated[
        Path | None, typer.Option(help="Oracle that reads the ages of phantoms; default: the shipped one.")
    ] = None,
    networks: Annotated[
        Path | None,
        typer.Option(help="Folder of face-api's networks, whose age network reads photographs; instead of --oracle."),
    ] = None,
    people: Annotated[int, typer.Option(help="People of each condition to place the steps by.", min=8)] = 48,
) -> None:
    """Place the steps of age progressions where an age-reading network assigns the faces to each age group.

    With equal steps between the youngest and the oldest age, as published, faces need not age evenly. The calibrated
    steps are stored in the checkpoint; image sets take them with `--age-steps calibrated`. The table shows how many
    images are read as of their age group, with equal and with calibrated steps. It is measured on other people than
    those by whom the steps were placed.
    """
    _check_new(out)
    if oracle is not None and networks is not None:
        raise typer.BadParameter("--oracle reads drawn faces and --networks photographs; expected one of them")
    info = checkpoint.read_info(file)
    generator = checkpoint.load_for_inference(file)
    read_ages = _make_age_reader(oracle, networks)
    with stepping_bar(_console, "faces read", age_calibration.count_images(generator, people)) as step:
        made = age_calibration.calibrate_ages(generator, read_ages, people=people, on_progress=step)
    checkpoint.save(out, checkpoint.load_generator(file), **info.header | {"age_steps": made.steps})
    table = Table("condition", "steps", "read as of their group", "with equal steps", box=None)
    for condition, steps in made.steps.items():
        places = " ".join(f"{place:.2f}" for place in steps)
        table.add_row(condition, places, f"{made.calibrated[condition]:.0%}", f"{made.published[condition]:.0%}")
    _console.print(table)
    _console.print(f"written: {out}")


def _make_age_reader(oracle: Path | None, networks: Path | None) -> ReadAges:
    if networks is not None:
        network = load_age_network(networks)
        return lambda images: network(images)[:, 0]
    reader, _ = attribute_network.load(oracle or shipped.oracle())
    return lambda images: reader.read_pixels(images).age_years.numpy()


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A generator's checkpoint, of ours.")],
    onnx: Annotated[Path, typer.Option(help="ONNX file to write, a name ending in .onnx; not yet there.")],
    latents: Annotated[
        bool, typer.Option("--latents", help="Take style latents `ws` as the input, and leave the mapping out.")
    ] = False,
) -> None:
    """Write a generator as an ONNX file, to serve it with another program.

    Inputs are random vectors `z` (n, z_dim), labels `c` (n, conditions and
    then ages) if the generator has labels, and a number, `truncation`; all are
    float32, and n is any. Outputs are `images` (n, 3, h, h), about [-1, 1] but
    not clipped, and their latents `ws`. Noise is the stored noise.

    Licence, origin and the names of the label columns are properties of the
    file. The images carry no marks of what they are: whoever serves them must
    say that they are synthetic, and no basis for a diagnosis.

    It needs the package onnx: `pip install 'gestaltgen[onnx]'`.
    """
    export_onnx(file, onnx, from_latents=latents)
    _console.print(f"written: {onnx}, {onnx.stat().st_size / 1e6:.1f} MB. {NOTICE}")


def _check_new(out: Path) -> None:
    if out.exists():
        raise CheckpointError(f"{out} exists; expected a new name, or delete it first")


def _seen_images(sources: Sequence[Path]) -> SeenImages:
    """Return the images of the data sets together with those that the checkpoints were trained on."""
    found = SeenImages()
    for source in sources:
        if source.suffix == ".safetensors":
            found |= checkpoint.read_info(source).seen_images
            continue
        with Dataset.open(source) as dataset, stepping_bar(_console, f"images of {source}", len(dataset)) as step:
            keys = set()
            for index in range(len(dataset)):
                keys.add(dataset.key(index))
                step(1)
        found |= SeenImages.of(keys)
    return found


def _describe_seen_images(info: CheckpointInfo) -> str:
    """Return the number of training images that the checkpoint knows, as text."""
    if info.seen is None:
        return "not stated: which images it was trained on is unknown"
    return f"{len(info.seen)} images by their keys" + ("" if info.seen_complete else ", and others that are unknown")


def _printable(text: str) -> str:
    """Text of a file without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _vocabulary(conditions: Sequence[str] | None, ages: Sequence[str] | None) -> Vocabulary | None:
    if not conditions:
        if ages:
            raise LabelError("--age without --condition; a label has columns of both, conditions first")
        return None
    return Vocabulary(tuple(conditions), tuple(_age_group(text) for text in ages) if ages else AGE_GROUPS)


def _age_group(text: str) -> AgeGroup:
    """`infant:0-2` or, open above, `old:35-`."""
    number = r"\d+(?:\.\d+)?"
    match = re.fullmatch(rf"(.+):({number})-({number})?", text)
    if match is not None:
        return AgeGroup(match[1], float(match[2]), float(match[3] or math.inf))
    raise LabelError(f"age group {text!r}; expected a name and years, as in infant:0-2 or old:35-")


def _licence(file: Path, imported: Imported) -> str:
    if imported.info is not None:
        return imported.info.licence
    if imported.kind == importing.STYLEGAN2_ADA_PICKLE:
        return NVIDIA_LICENCE
    raise CheckpointError(f"{file} does not state the licence of its weights; say it with --licence")


def _print_placements(imported: Imported) -> None:
    """A line for each tensor: name, shape, where it went or why it was not needed."""
    _console.print(f"{imported.kind}, {len(imported.placements)} tensors:")
    width = max(len(placed.name) for placed in imported.placements)
    for placed in imported.placements:
        shape = "x".join(map(str, placed.shape)) or "scalar"
        note = f" ({placed.note})" if placed.note and placed.destination else ""
        where = f"-> {placed.destination}{note}" if placed.destination else f"not needed: {placed.note}"
        _console.print(f"  {placed.name:<{width}}  {shape:<12} {where}", markup=False)
    taken = sum(bool(placed.destination) for placed in imported.placements)
    _console.print(f"{taken} taken, {len(imported.placements) - taken} not needed", markup=False)
    for line in imported.left_out:
        _console.print(f"left in the file: {_printable(line)}", markup=False)
    for note in imported.notes:
        _console.print(f"note: {note}", markup=False)


def _print_info(info: CheckpointInfo) -> None:
    config = info.config
    facts = {
        "network": info.network,
        **{field.name: getattr(config, field.name) for field in fields(config) if field.name != "vocabulary"},
        "conditions": ", ".join(config.vocabulary.conditions) if config.vocabulary else "none: not conditional",
        "identifiers": "; ".join(
            f"{condition} {' '.join(identifiers.values())}"
            for condition, identifiers in (config.vocabulary.identifiers if config.vocabulary else {}).items()
        )
        or "none",
        "ages": ", ".join(f"{a.name} [{a.from_years:g}, {a.to_years:g})" for a in config.vocabulary.ages)
        if config.vocabulary
        else "none",
        "images seen": info.images_seen or "not stated",
        "training images": sum(sum(ages.values()) for ages in info.training_counts.values()) or "not stated",
        "seen": _describe_seen_images(info),
        "age steps": "; ".join(
            f"{condition} {' '.join(f'{place:.2f}' for place in steps)}" for condition, steps in info.age_steps.items()
        )
        or "equal ones only",
        "origin": info.origin or "not stated",
        "licence": info.licence or "not stated",
        "sha256": info.sha256,
    }
    for name, value in facts.items():
        _console.print(f"  {name:<17} {value}", markup=False)
