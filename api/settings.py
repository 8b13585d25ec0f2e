"""What an operator can set, each from the environment (GESTALTGEN_STATE, GESTALTGEN_PORT, ...)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of the service; every default is here and nowhere else."""

    model_config = SettingsConfigDict(env_prefix="GESTALTGEN_", frozen=True)

    state: Path = Field(
        default=Path("state"),
        description="Folder for image sets and the job queue; nothing is written elsewhere.",
    )
    weights: Path | None = Field(
        default=None, description="Generator checkpoint (.safetensors); unset takes the shipped one."
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="Precision of requests that name none."
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on; there is no authentication, so keep it private.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    device: str = Field(default="cpu", description="PyTorch device that renders: `cpu`, `cuda`, `cuda:1`, ...")
    threads: int | None = Field(
        default=None, ge=1, description="CPU threads that render; unset leaves the choice to PyTorch."
    )
    concurrent_sets: int = Field(
        default=4, ge=1, le=64, description="Image sets in progress at once; they take turns by chunk."
    )
    max_images_per_set: int = Field(default=100_000, ge=1, description="Largest image set accepted.")
    max_body_bytes: int = Field(default=1_048_576, ge=1024, description="Largest request body accepted.")
    max_wait_s: float = Field(default=60, ge=0, description="Longest time that `Prefer: wait` holds a request.")
    log_level: Literal["critical", "error", "warning", "info", "debug"] = Field(
        default="info", description="What is logged to standard error."
    )
