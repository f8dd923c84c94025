//! The first steps of a new user.

use crate::support::Sandbox;

#[test]
fn a_document_comes_back_and_git_agrees() {
    let sandbox = Sandbox::new();
    sandbox.isodb(["init"]).ok();
    let commit = sandbox.isodb_with_input(["put", "animals/bella"], "{\"born\":2021}\n").ok().line();
    assert_eq!(sandbox.isodb(["get", "animals/bella"]).ok().text(), "{\"born\":2021}\n");
    assert_eq!(sandbox.isodb(["head"]).ok().line(), commit);
    sandbox.check_with_git();
}
