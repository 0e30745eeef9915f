"""Fixtures of the core's tests."""

import joblib
import pytest


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("sknet.threads._cpu_count", lambda affinity, loky_max_cpu_count: 8)
    monkeypatch.setattr(joblib, "effective_n_jobs", lambda n_jobs: n_jobs)
