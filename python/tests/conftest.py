"""Settings of the tests."""

from hypothesis import settings

# No time limit: tests never depend on timing. No folder of found failures: they are printed.
settings.register_profile("project", deadline=None, database=None, print_blob=True)
settings.load_profile("project")
