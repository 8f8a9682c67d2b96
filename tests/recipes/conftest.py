"""What holds for tests that train."""

from tests.live.conftest import pytest_collection_finish as pytest_collection_finish
