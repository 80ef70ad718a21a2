"""Tests: the same desk on a cluster of its own, with a fast password hasher."""

from tradingsite.settings.local import *

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
