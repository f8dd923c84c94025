//! Scripts that want too much: each ends in a conflict, and before long.

use super::*;

#[test]
fn an_endless_loop_ends() {
    assert_eq!(conflict("loop {}"), "the script takes more than 100000 steps");
}
