# The gateway in an image: a virtual environment and nothing to build with.
# compose.yaml runs it; docs/operations/run.md says how.

FROM python:3.13.9-slim-bookworm AS build
WORKDIR /build

# Every package has its version and its hash in a lock, those that build the wheel too.
COPY requirements-build.lock requirements.lock ./
RUN python -m venv tools \
    && tools/bin/pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r requirements-build.lock
RUN python -m venv --without-pip /opt/gateway \
    && tools/bin/pip --python /opt/gateway/bin/python install --no-cache-dir --require-hashes --no-deps \
        --only-binary :all: -r requirements.lock

# After the packages, so that a change of the code alone fetches nothing.
COPY pyproject.toml LICENSE ./
COPY gateway gateway
COPY schemas schemas
COPY consumers consumers
COPY producers producers
RUN tools/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir dist . \
    && tools/bin/pip --python /opt/gateway/bin/python install --no-index --no-deps dist/*.whl \
    && tools/bin/pip --python /opt/gateway/bin/python check


FROM python:3.13.9-slim-bookworm
RUN python -m pip uninstall --yes --root-user-action ignore pip \
    && groupadd --gid 10001 gateway \
    && useradd --uid 10001 --gid gateway --home-dir /var/lib/gateway --create-home --shell /usr/sbin/nologin gateway
COPY --from=build /opt/gateway /opt/gateway

ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATEWAY_HTTP_HOST=0.0.0.0
USER 10001:10001
# For a volume: the embedded log, and what answers over HTTP come from. But for it and /tmp all may be read-only.
WORKDIR /var/lib/gateway
EXPOSE 8080

HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/livez', timeout=4)"]
ENTRYPOINT ["gateway"]
CMD ["run"]
