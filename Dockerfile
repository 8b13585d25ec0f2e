# The service, with the weights that are shipped; callers need keys.
#
#   docker build -t gestaltgen .
#   docker run --rm -v gestaltgen:/state gestaltgen keys create my-lab --scope image-sets --scope photos
#   docker run -d --name gestaltgen --stop-timeout 30 -p 127.0.0.1:8000:8000 -v gestaltgen:/state gestaltgen
#
# The first run prints a key, once. Let a reverse proxy do TLS before others than this machine can reach the port.

# On 3.12 the job queue needs SQLite 3.42, which not every base image has; on 3.11 it takes any.
FROM python:3.11-slim AS build

# The CPU build of PyTorch is a tenth of the size of the default one; name its index as a build argument.
ARG TORCH_INDEX_URL=""

# `serve,c2pa,s3` installs 0.6 GB instead of 2.3 (with the CPU build of PyTorch), for image sets alone: no photographs, no edits.
ARG EXTRAS="full,c2pa,s3"

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY api api
COPY client client
COPY core core
COPY editing editing
COPY faces faces
COPY gen gen
COPY gestaltgen gestaltgen
COPY inversion inversion
COPY recognition recognition
COPY weights weights
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        pip install --constraint constraints.txt --index-url "$TORCH_INDEX_URL" torch; \
    fi \
    && pip install --constraint constraints.txt ./client ".[$EXTRAS]"

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
