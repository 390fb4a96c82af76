"""The images of a run's problems: files named by their content, each written once however many problems show it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from move37.errors import InputError
from move37.files import write_atomically
from move37.images import file_name
from move37.types import ImagePart, Problem, Prompt


def keep_images(folder: Path, problems: Iterable[Problem]) -> None:
    """Write down the images that are not there yet. Raises InputError where the bytes of one cannot be had."""
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set[str]()
    for problem in problems:
        for image in problem.images:
            name = file_name(image)
            if name in there:
                continue
            try:
                data = image.read()
            except (OSError, ValueError) as error:
                raise InputError(f"{problem.id}: {error}") from error
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / name, data)
            there.add(name)


def with_images_in(folder: Path, problem: Problem) -> Problem:
    """The problem with images that are read from the folder when somebody looks at them."""
    if not problem.images:
        return problem
    return replace(problem, images=tuple(_located(folder, image) for image in problem.images))


def prompt_with_images_in(folder: Path, prompt: Prompt) -> Prompt:
    """The same for the images of a prompt's messages."""
    if not prompt.images:
        return prompt
    messages = tuple(
        replace(
            message,
            content=tuple(_located(folder, each) if isinstance(each, ImagePart) else each for each in message.content),
        )
        for message in prompt.messages
    )
    return replace(prompt, messages=messages)


def _located(folder: Path, image: ImagePart) -> ImagePart:
    kept = folder / file_name(image)
    if not kept.exists() and (image.data is not None or image.path is not None):
        return image  # of a run that was made before images were files of it
    return replace(image, path=str(kept), data=None)
