"""The checks, one file each; the file name is the check's id. The contract is in `diagnose.check`."""
