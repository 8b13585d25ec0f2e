# The service, with the weights that are shipped; callers need keys.
#
#   docker build -t gestaltgen .
#   docker run --rm -v gestaltgen:/state gestaltgen keys create my-lab --scope image-sets --scope photos
#   docker run -d --name gestaltgen --stop-timeout 30 -p 127.0.0.1:8000:8000 -v gestaltgen:/state gestaltgen
#
# The first run prints a key, once. Let a reverse proxy do TLS before others than this machine can reach the port.

# On 3.12 the job queue needs SQLite 3.42, which not every base image has; on 3.11 it takes any.
FROM python:3.11-slim AS build

# What is installed: lock files of release/locks. For the CPU build of PyTorch, a tenth of the size of the default one, name
# torch-cpu and the index that has it; `serve` alone makes image sets, in 0.6 GB, and takes no photographs.
ARG LOCKS="serve full torch-default"
ARG PIP_EXTRA_INDEX_URL=""

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /source
COPY release/locks release/locks
RUN pip install --require-hashes --requirement release/locks/build.txt \
    && pip install --require-hashes --no-build-isolation $(printf -- '--requirement release/locks/%s.txt ' $LOCKS)
COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY client client
COPY core core
COPY editing editing
COPY faces faces
COPY gen gen
COPY gestaltgen gestaltgen
COPY inversion inversion
COPY recognition recognition
COPY studies studies
COPY weights weights
RUN pip install --no-deps --no-build-isolation ./client .

# Without the sources, of which the environment has a copy.
FROM python:3.11-slim

COPY --from=build /venv /venv
RUN useradd --uid 10001 --create-home gestaltgen && install --directory --owner=gestaltgen --mode=700 /state
ENV PATH=/venv/bin:$PATH \
    GESTALTGEN_STATE=/state \
    GESTALTGEN_HOST=0.0.0.0 \
    GESTALTGEN_PORT=8000 \
    GESTALTGEN_LOG_FORMAT=json
USER gestaltgen
WORKDIR /home/gestaltgen
VOLUME /state
EXPOSE 8000
# Whether it is alive: a long job of the model's makes /readyz wait, and is no reason to start anew.
HEALTHCHECK --start-period=60s --interval=30s --timeout=10s CMD ["python", "-c", "import os, urllib.request; \
urllib.request.urlopen('http://127.0.0.1:' + os.environ['GESTALTGEN_PORT'] + '/livez', timeout=8)"]
ENTRYPOINT ["gestaltgen"]
CMD ["serve"]
