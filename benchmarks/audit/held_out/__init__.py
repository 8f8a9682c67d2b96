"""Cases by other authors than those of the checks, who knew of these a line each and had not seen the audit run."""
