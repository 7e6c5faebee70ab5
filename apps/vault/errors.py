"""Errors of the vault. None carries a key, a plaintext or a ciphertext."""


class VaultError(Exception):
    """Base of everything this package raises."""


class SealError(VaultError):
    """A ciphertext does not open here: damaged, moved, or of another tenant."""


class KeyDestroyedError(VaultError):
    """The tenant's key is gone, and with it everything that it sealed."""


class ExpiredKeyError(VaultError):
    """The time slot of this data is over."""


class NoWorkerKeyError(VaultError):
    """This process may not open credentials."""


class RotationError(VaultError):
    """A step of a rotation that may not be taken yet."""


class NoSigningKeyError(VaultError):
    """This process may not sign certificates."""
