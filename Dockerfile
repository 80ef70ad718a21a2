# One image for every process of docker-compose.yml.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PLUMBLINE_DATA_DIR=/data
RUN useradd --create-home --uid 10001 plumbline && install -d -o plumbline -m 0700 /data
WORKDIR /app

COPY requirements.txt .
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-cache --compile-bytecode -r requirements.txt

COPY . .
USER plumbline
