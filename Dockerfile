# Two images from one file: `production`, the last stage and so the default, and `development`,
# whose source is mounted and reloads. Neither holds MongoDB or Valkey: those are containers of
# their own. Nothing is compiled here: every dependency is a wheel, pinned with its hash.
ARG PYTHON=3.13-slim

FROM python:${PYTHON} AS base
ENV PATH=/opt/manyline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    MANYLINE_DATA_DIR=/var/lib/manyline
# The data directory belongs to the user before any volume is mounted there: a new volume takes its
# owner from here.
RUN groupadd --gid 10001 manyline \
 && useradd --uid 10001 --gid manyline --no-create-home --shell /usr/sbin/nologin manyline \
 && install -d -o manyline -g manyline -m 0700 /var/lib/manyline
COPY docker/health.py /opt/health.py
EXPOSE 3000
# 200 as long as the process answers, whether or not MongoDB does: a restart mends no database.
# A worker has no port; compose.yaml gives it a check of its own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-IS", "/opt/health.py"]

FROM base AS dependencies
WORKDIR /build
COPY requirements/uv.txt requirements/runtime.txt docker/left-out.txt requirements/
RUN python -m venv /opt/uv \
 && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes -r requirements/uv.txt \
 && /opt/uv/bin/uv venv --no-cache --python /usr/local/bin/python /opt/manyline \
 && /opt/uv/bin/uv pip install --no-cache --python /opt/manyline/bin/python --compile-bytecode \
        --only-binary :all: --require-hashes -r requirements/runtime.txt \
        --excludes requirements/left-out.txt

FROM dependencies AS development
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/uv/bin/uv pip install --no-cache --python /opt/manyline/bin/python --no-deps --editable .
ENV ALLOW_OPEN_BIND=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
CMD ["manyline", "api", "--reload"]

FROM dependencies AS package
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/uv/bin/uv pip install --no-cache --python /opt/manyline/bin/python --compile-bytecode \
        --no-deps .

FROM base AS production
COPY --from=package /opt/manyline /opt/manyline
ENV ENVIRONMENT=production
WORKDIR /var/lib/manyline
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
CMD ["manyline", "api"]
