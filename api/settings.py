"""Settings of the service, read from environment variables (GESTALTGEN_STATE, GESTALTGEN_PORT, ...)."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_USER_SCOPES: Final = ("image-sets", "photos")
_PREFIX: Final = "GESTALTGEN_"
_OTHERS: Final = ("GESTALTGEN_KEY", "GESTALTGEN_PORTRAITS")
"""Variables of other commands and of the tests."""


class Settings(BaseSettings):
    """Settings of the service, with all their defaults."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, hide_input_in_errors=True)

    state: Path = Field(
        default=Path("state"),
        description="Folder for image sets, photographs, keys and the job queue; nothing is written elsewhere.",
    )
    database: SecretStr | None = Field(
        default=None,
        description="PostgreSQL that several processes share, `postgresql://USER:PASSWORD@HOST/DATABASE`; unset keeps "
        "everything in SQLite files of the state folder, for one process.",
    )
    role: Literal["all", "api", "worker"] = Field(
        default="all",
        description="What this process does: `all`; `api`, which answers and leaves jobs to others; or `worker`, which "
        "does jobs and answers about its health and metrics only. The latter two need a database.",
    )
    storage: str | None = Field(
        default=None,
        description="Store for image sets and photographs in place of the state folder: the URL of an object store, "
        "such as `s3://bucket/folder`, or `file:///folder`.",
    )
    receipts: str | None = Field(
        default=None,
        description="Store for the receipts of erasures, a URL as in `GESTALTGEN_STORAGE`. It should be on another "
        "disk than the state folder; unset keeps the receipts with the photographs.",
    )
    cache_mb: int = Field(
        default=4096,
        ge=1,
        description="Space for shards, archives and sheets in the state folder, in MB; if it is full, the least "
        "recently used are deleted.",
    )
    min_free_mb: int = Field(
        default=512,
        ge=0,
        description="Free space on the disk of the state folder below which jobs pause and nothing large is accepted; "
        "the free space that remains is for the databases.",
    )
    server_keys: Path | None = Field(
        default=None,
        description="File of the keys under which photographs are encrypted; unset keeps them in `server.keys` of the "
        "state folder, or in the database.",
    )
    weights: Path | None = Field(
        default=None, description="Generator checkpoint (.safetensors); unset takes the shipped one."
    )
    models: Path | None = Field(
        default=None,
        description="Folder of further checkpoints, served beside the default: `NAME.safetensors`, or "
        "`NAME/generator.safetensors` as training writes it. Files `NAME-inverter`, `NAME-directions` and "
        "`NAME-discriminator` beside a checkpoint are used with it. The service notices changes in the folder while it "
        "runs.",
    )
    judges: Path | None = Field(
        default=None,
        description="Folder of an independent network that reads smiles: `face_expression_model.bin` and its "
        "manifest, from the npm package `@vladmandic/face-api`. Its readings of photographs are reported; unset, there "
        "are none.",
    )
    catalogue: Path | None = Field(
        default=None,
        description="TOML file with conditions of your laboratory, which `/v1/conditions` knows besides the shipped "
        "ones; [conditions.md](conditions.md) describes its format.",
    )
    classifiers: Path | None = Field(
        default=None,
        description="Folder of classifiers whose answers can be explained: `NAME.safetensors`, or `NAME/` as "
        "`gestaltgen classify train` writes it; several `classifier.safetensors` in `NAME/` answer as one, with the "
        "mean of their probabilities. Changes in the folder are noticed at each request; unset, there are none.",
    )
    syndromes: Path | None = Field(
        default=None,
        description="Folder of trained models of syndromes, as `gestaltgen syndromes train` writes it, by which "
        "photographs can be assessed. Changes in the folder are noticed at each request; unset, there are none.",
    )
    people_key: Path | None = Field(
        default=None,
        description="File of the key that opens `NAME-people.sealed` beside a checkpoint; `gestaltgen weights audit "
        "--people-key` writes both files. With it the service leaves out images that are too near to a person of the "
        "training data; a generator that has such a file is not served without the key.",
    )
    model_memory_mb: int = Field(
        default=2048,
        ge=1,
        description="Limit of the memory for weights, in MB. It applies three times: to generators, to classifiers, "
        "and to models of syndromes. If the limit is reached, the least recently used weights are removed from memory.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Precision for the inversion of photographs, and for requests that state no precision; `auto`: "
        "`bfloat16` where the device is faster in it, else `float32`.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    device: str = Field(default="cpu", description="PyTorch device that renders: `cpu`, `cuda`, `cuda:1`, ...")
    threads: int | None = Field(
        default=None, ge=1, description="CPU threads that render; unset takes all cores that the process may use."
    )
    without_keys: bool = Field(
        default=False,
        description="For development: let anyone on this machine in without a key. Loopback addresses only.",
    )
    allowed_hosts: str | None = Field(
        default=None,
        description="Names of hosts, with commas between, under which a service without keys may be reached besides "
        "loopback.",
    )
    trusted_proxies: str = Field(
        default="127.0.0.1, ::1",
        description="Addresses or networks of proxies, with commas between. The service trusts two headers from "
        "these proxies only: `X-Forwarded-Proto`, which says whether a browser uses TLS, and the header named by "
        "`GESTALTGEN_USER_HEADER`, which says who the user is.",
    )
    user_header: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9-]{1,64}$",
        description="Header in which a trusted proxy names the user whom it has signed in, for example "
        "`X-Remote-User`. Such users need no key for the studio; unset, there is no such header. The proxy must "
        "replace the header if a browser sends it.",
    )
    user_scopes: str = Field(
        default="image-sets",
        description="What users whom a proxy has signed in may do, with commas between: `image-sets`, `photos`.",
    )
    concurrent_jobs: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Largest number of jobs of one owner that are in progress at once in a process; they take turns.",
    )
    max_open_jobs: int = Field(
        default=1_000, ge=1, description="Largest number of jobs of all owners that wait or run; further ones get 503."
    )
    max_open_jobs_per_owner: int = Field(
        default=100, ge=1, description="Largest number of jobs of one owner that wait or run; further ones get 429."
    )
    max_waiting: int = Field(
        default=256, ge=1, description="Largest number of small requests that wait for the model; further ones get 503."
    )
    max_waiting_per_owner: int = Field(
        default=64,
        ge=1,
        description="Largest number of requests of one owner that make or store something at the same time; further "
        "ones get 429.",
    )
    max_streams_per_owner: int = Field(
        default=32,
        ge=1,
        description="Largest number of event streams of jobs that one owner has open; further ones get 429.",
    )
    max_connections_per_address: int = Field(
        default=512,
        ge=1,
        description="Largest number of connections from one address to one process; further ones are closed. Raise "
        "this limit if the service is behind a proxy.",
    )
    max_images_per_set: int = Field(default=100_000, ge=1, description="Largest image set accepted.")
    max_body_bytes: int = Field(
        default=1_048_576,
        ge=1024,
        description="Largest request body accepted, except for photographs; routes whose fields hold no long lists "
        "accept at most 65536.",
    )
    max_photo_bytes: int = Field(default=20_000_000, ge=1024, description="Largest photograph accepted.")
    max_photo_pixels: int = Field(default=40_000_000, ge=1024, description="Largest number of pixels of a photograph.")
    body_timeout_s: float = Field(default=60, gt=0, description="Longest time that sending a body may take.")
    photo_ttl_s: int = Field(
        default=7 * 24 * 3600,
        ge=60,
        description="How long a photograph and all that is derived from it are kept, unless the request asks for a "
        "shorter time.",
    )
    purposes: str = Field(
        default="research, teaching, survey stimuli",
        description="Purposes of photographs, with commas between; none may contain a person's name. The audit record "
        "states these purposes in words; for any other purpose it states a keyed digest.",
    )
    c2pa_certificate: str | None = Field(
        default=None,
        repr=False,
        description="Certificate (C2PA) for signing the delivered pictures, followed by the certificates of its "
        "issuers: a PEM file, or its text. Without certificate and key nothing is signed.",
    )
    c2pa_key: SecretStr | None = Field(
        default=None, description="Private key of that certificate, without a passphrase: a PEM file, or its text."
    )
    c2pa_anchors: str | None = Field(
        default=None,
        repr=False,
        description="Certificates whose signatures `POST /v1/verify` trusts, besides those of the issuers above: a PEM "
        "file, or its text.",
    )
    max_wait_s: float = Field(default=60, ge=0, description="Longest time that `Prefer: wait` holds a request.")
    metrics: Literal["key", "anyone"] = Field(
        default="key",
        description="Who may read `/metrics`: `key`: whoever has a key with the scope `metrics`; `anyone`: whoever "
        "reaches the port.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text",
        description="Format of the log: `text` has lines for people, `json` has one JSON object in each line.",
    )
    log_level: Literal["critical", "error", "warning", "info", "debug"] = Field(
        default="info", description="Lowest level of the messages that are logged to standard error."
    )

    @property
    def named_purposes(self) -> tuple[str, ...]:
        """The single purposes in `purposes`."""
        return tuple(name for one in self.purposes.split(",") if (name := " ".join(one.split())))

    @property
    def local_hosts(self) -> tuple[str, ...]:
        """Names under which a service without keys may be reached."""
        return (*_LOOPBACK, *(name.lower() for name in _split(self.allowed_hosts or "")))

    @property
    def proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Networks in `trusted_proxies`."""
        return tuple(ip_network(one) for one in _split(self.trusted_proxies))

    @property
    def scopes_of_users(self) -> tuple[str, ...]:
        """Scopes in `user_scopes`."""
        return _split(self.user_scopes)

    @property
    def database_url(self) -> str | None:
        """URL in `database`, password included."""
        return None if self.database is None else self.database.get_secret_value()

    @model_validator(mode="after")
    def _check_role(self) -> Self:
        if self.role != "all" and self.database is None:
            raise ValueError(
                f"role {self.role!r} without a database; expected GESTALTGEN_DATABASE, which the processes share, or "
                "role 'all'"
            )
        return self

    @model_validator(mode="after")
    def _check_host(self) -> Self:
        if self.without_keys and self.host not in _LOOPBACK:
            raise ValueError(
                f"without_keys, and host {self.host!r} can be reached by others; expected {', '.join(_LOOPBACK)}: make "
                "keys with `gestaltgen keys create`"
            )
        return self

    @model_validator(mode="after")
    def _check_proxies(self) -> Self:
        try:
            self.proxy_networks  # noqa: B018  raises what is wrong
        except ValueError as error:
            raise ValueError(
                f"trusted_proxies {self.trusted_proxies!r}; expected addresses or networks with commas between, as "
                f"10.0.0.5, 10.1.0.0/16: {error}"
            ) from error
        if not self.scopes_of_users or not set(self.scopes_of_users) <= set(_USER_SCOPES):
            raise ValueError(
                f"user_scopes {self.user_scopes!r}; expected some of {', '.join(_USER_SCOPES)}, with commas between"
            )
        if self.user_header and (self.without_keys or "trusted_proxies" not in self.model_fields_set):
            raise ValueError(
                f"user_header {self.user_header!r} needs keys, and GESTALTGEN_TRUSTED_PROXIES with the addresses of "
                "the proxies alone: whoever sends requests from there can be any user"
            )
        return self


def _split(text: str) -> tuple[str, ...]:
    """Return the parts of a text between commas, without spaces around them."""
    return tuple(part for one in text.split(",") if (part := one.strip()))


def unknown_settings(variables: Iterable[str]) -> list[str]:
    """Return a line for each environment variable that looks like a setting but is none, such as a misspelt one."""
    known = [f"{_PREFIX}{name.upper()}" for name in Settings.model_fields]
    strange = sorted(
        name
        for name in variables
        if name.startswith(_PREFIX) and name not in (*known, *_OTHERS) and not name.startswith(f"{_PREFIX}TEST_")
    )
    return [
        f"{name} is set, and is no setting of this version; it has no effect"
        + "".join(f": is {near} meant?" for near in get_close_matches(name, known, 1, 0.8))
        for name in strange
    ]
