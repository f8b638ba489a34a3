//! End-to-end tests live in `tests/`: the real binary, real sockets, real curl. There is no code here.
