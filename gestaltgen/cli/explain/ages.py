"""`gestaltgen explain ages`: compare the ages of each condition by composite occlusion maps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import ConsoleProgress


def ages(
    classifier: Annotated[Path, typer.Argument(help="File of a classifier, or folder of an ensemble's folds.")],
    dataset: Annotated[Path, typer.Argument(help="Data set of faces with condition, person and age.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("ages"),
    embedding: Annotated[
        Path | None,
        typer.Option(
            help="Weights of an EfficientNet-B4 in safetensors, which embed the composite maps as published; default: "
            "the features of the first classifier."
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(min=1, help="Side of the occluding window; default: 1/8 of the picture's; published: 20/448."),
    ] = None,
    stride: Annotated[int | None, typer.Option(min=1, help="Distance of the windows; default: half a window.")] = None,
    permutations: Annotated[int, typer.Option(min=99, help="Random assignments for each pair.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the assignments.")] = 0,
) -> None:
    """Compare the ages of each condition by composite occlusion maps and a permutation test.

    The maps are the mean over the classifiers of an ensemble. Each condition and age group needs faces of five persons.
    """
    from faces.labels import AGE_GROUPS
    from recognition.ensemble import Ensemble
    from recognition.explanation.questions.age_groups import choose_window, compare_ages, compute_occlusion_maps
    from recognition.explanation.questions.age_report import compose_groups, write_age_report
    from recognition.explanation.questions.map_embedding import choose_embedding
    from recognition.images.image_stack import stack_images
    from recognition.images.samples import load_real_samples

    console = make_console(soft_wrap=True)
    progress = ConsoleProgress(console)
    ensemble = Ensemble.open(classifier)
    samples = load_real_samples(dataset, ensemble.classes)
    names = tuple(group.name for group in AGE_GROUPS)
    chosen = choose_embedding(ensemble, embedding)
    side, step = choose_window(ensemble.classifiers[0].config.size, window, stride)
    seen = len(ensemble.combined_record().indices_in(samples))
    with progress.bar("covering parts of faces", len(samples) * len(ensemble.classifiers)) as show:
        maps = compute_occlusion_maps(ensemble, samples, side, step, show)
    with console.status("permuting"):
        pairs = compare_ages(maps, samples, names, chosen.compute, permutations=permutations, seed=seed)
    about = {
        "faces": len(samples),
        "faces that a classifier saw in training": seen,
        "classifiers": len(ensemble.classifiers),
        "window and step, pixels": [side, step],
        "embedding of the composite maps": chosen.name,
        "permutations": permutations,
        "seed": seed,
    }
    stack = stack_images(samples, ensemble.classifiers[0].config.size)
    write_age_report(out, compose_groups(maps, stack, names), pairs, about)
    differing = sum(pair.holm < 0.05 for pair in pairs)
    console.print(f"{differing} of {len(pairs)} pairs of ages differ (p < 0.05 after Holm); embedding: {chosen.name}")
    console.print(f"look at {out / 'ages.html'}")
