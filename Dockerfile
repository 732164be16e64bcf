# hkagg as an OCS agent, by OCS's conventions: user 9000, /config, /data, dumb-init. See docs/how-to/docker.md.
ARG BASE=debian:bookworm-slim
FROM ${BASE}

RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates dumb-init python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 9000 ocs \
    && useradd --no-log-init --create-home --uid 9000 --gid 9000 ocs \
    && mkdir --parents /config /data \
    && chown ocs:ocs /data

COPY constraints.txt LICENSE README.md pyproject.toml setup.cfg setup.py /usr/src/hkagg/
COPY aggregator /usr/src/hkagg/aggregator
COPY ingest /usr/src/hkagg/ingest
COPY writer /usr/src/hkagg/writer
RUN python3 -m venv /opt/hkagg \
    && /opt/hkagg/bin/pip install --no-cache-dir --constraint /usr/src/hkagg/constraints.txt /usr/src/hkagg \
    && rm -rf /usr/src/hkagg

ENV PATH=/opt/hkagg/bin:$PATH OCS_CONFIG_DIR=/config PYTHONUNBUFFERED=1
USER 9000:9000
WORKDIR /

# Healthy is recording (0) or idle (3); a recorder whose data is at risk (1) or that does not run (2) is not.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s \
    CMD hkagg status || [ $? -eq 3 ]

ENTRYPOINT ["dumb-init", "ocs-agent-cli"]
