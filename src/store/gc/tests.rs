//! Tests of gc.
