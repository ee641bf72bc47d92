# cathode-hep with a torch of CPUs. It needs no writable root and runs as any user:
#   docker build -t cathode-hep .
#   docker run --rm --read-only --tmpfs /tmp --user "$(id -u):$(id -g)" -v "$PWD:/work" cathode-hep run analysis.yaml
FROM python:3.11-slim AS build
COPY . /source
RUN python -m venv /opt/cathode \
    && /opt/cathode/bin/pip install --no-cache-dir --prefer-binary -c /source/constraints.txt \
       --extra-index-url https://download.pytorch.org/whl/cpu /source \
    && /opt/cathode/bin/python -m compileall -q /opt/cathode

FROM python:3.11-slim
COPY --from=build /opt/cathode /opt/cathode
# What libraries want to write goes where any user may.
ENV PATH=/opt/cathode/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib NUMBA_CACHE_DIR=/tmp/numba PYTHONDONTWRITEBYTECODE=1
WORKDIR /work
ENTRYPOINT ["cathode"]
CMD ["--help"]
