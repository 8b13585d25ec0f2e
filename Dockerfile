# The service. Build: docker build -t gestaltgen .   Run: docker run -p 127.0.0.1:8000:8000 -v images:/state gestaltgen
FROM python:3.12-slim

# The CPU build of PyTorch is a tenth of the size of the default one; name its index as a build argument.
ARG TORCH_INDEX_URL=""

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY api api
COPY editing editing
COPY faces faces
COPY gen gen
COPY gestaltgen gestaltgen
COPY inversion inversion
COPY recognition recognition
COPY weights weights
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        pip install --no-cache-dir --constraint constraints.txt --index-url "$TORCH_INDEX_URL" torch; \
    fi \
    && pip install --no-cache-dir --constraint constraints.txt .

RUN useradd --create-home gestaltgen && mkdir /state && chown gestaltgen /state
USER gestaltgen
VOLUME /state
EXPOSE 8000
# There is no authentication yet: publish the port on a private address only.
CMD ["gestaltgen", "serve", "--host", "0.0.0.0", "--port", "8000", "--state", "/state"]
