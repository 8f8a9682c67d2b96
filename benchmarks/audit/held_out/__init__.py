"""Cases by other authors than those of the checks, who knew of these a line each and had not seen the audit run.

`first` was run, and the checks were then mended by what was missed; `second` was written meanwhile and run after that.
"""
