//! Behind the C header.
