//! `prove`, and `verify --proof` where there is no database.

use super::refused;
use crate::support::{Sandbox, has_tool};

/// A database whose commits are signed by Ann, who may sign, and the commit that says so.
fn farm() -> (Sandbox, String) {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["trust", "keygen"]).ok();
    sandbox.isodb(["config", "commit.sign", "true"]).ok();
    let first = sandbox.isodb(["trust", "add", "ann@farm", ".config/isodb/id_ed25519.pub"]).ok().line();
    (sandbox, first)
}

fn put(sandbox: &Sandbox, key: &str, content: &str) -> String {
    sandbox.isodb_with_input(["put", key], content).ok().line()
}

/// Another machine, with a proof, the list of who may sign, and no database.
fn elsewhere(sandbox: &Sandbox, prove: &[&str]) -> Sandbox {
    let other = Sandbox::new();
    other.write("a.proof", sandbox.isodb([&["prove"], prove].concat()).ok().bytes());
    other.write("signers", sandbox.isodb(["get", "_isodb/trust/allowed_signers"]).ok().bytes());
    other
}

#[test]
fn a_document_is_proved() {
    let (sandbox, first) = farm();
    let head = put(&sandbox, "stock/hay", "12 bales\n");
    let other = elsewhere(&sandbox, &["stock/hay"]);
    let id = sandbox.isodb(["rev-parse", "HEAD:stock/hay"]).ok().line();
    let ran = other.isodb(["verify", "--proof", "a.proof", "--signers", "signers"]).ok();
    assert_eq!(ran.stderr(), "");
    let lines = ran.lines();
    let (signer, rest): (Vec<&String>, _) = lines.iter().partition(|line| line.starts_with("signer "));
    assert!(signer[0].starts_with("signer SHA256:") && signer[0].ends_with(" ann@farm"), "{lines:?}");
    let wanted = [
        "key stock/hay".to_owned(),
        format!("commit {head}"),
        format!("content {id} 9"),
        "committer Ann <ann@farm>".to_owned(),
        "time 2023-11-14T22:13:20Z".to_owned(),
    ];
    assert_eq!(rest, wanted.iter().collect::<Vec<_>>());
    // From stdin, as JSON; the content to a file, and to stdout.
    let proof = std::fs::read(other.path().join("a.proof")).unwrap();
    let ran = other.isodb_with_input(["verify", "--proof", "-", "--signers=signers", "--json"], &proof).ok();
    let json: serde_json::Value = serde_json::from_str(&ran.line()).unwrap();
    assert_eq!((&json["key"], &json["id"], &json["size"]), (&"stock/hay".into(), &id.into(), &9.into()));
    assert_eq!((&json["commit"], &json["signer"]["principal"]), (&head.into(), &"ann@farm".into()));
    assert_eq!((&json["committer"]["email"], &json["chain"]), (&"ann@farm".into(), &serde_json::Value::Null));
    let ran = other.isodb(["-q", "verify", "--proof", "a.proof", "--content", "-"]).ok();
    assert_eq!(ran.text(), "12 bales\n");
    other.isodb(["-q", "verify", "--proof", "a.proof", "--content", "hay.txt"]).ok();
    assert_eq!(std::fs::read(other.path().join("hay.txt")).unwrap(), b"12 bales\n");
    // The same to a file; that of an earlier commit, which has no hay.
    sandbox.isodb(["prove", "stock/hay", "-o", "b.proof"]).ok();
    assert_eq!(std::fs::read(sandbox.path().join("b.proof")).unwrap(), proof);
    let other = elsewhere(&sandbox, &["stock/hay", "--at", &first]);
    let lines = other.isodb(["verify", "--proof", "a.proof", "--signers", "signers"]).ok().lines();
    assert_eq!(lines[1..3], [format!("commit {first}"), "absent".to_owned()]);
    let ran = other.isodb(["-q", "verify", "--proof", "a.proof", "--content", "no.txt"]);
    refused(ran, 1, "the proof shows that there is no \"stock/hay\"");
    assert!(!other.path().join("no.txt").exists());
}

#[test]
fn who_signed_is_asked() {
    let (sandbox, _) = farm();
    put(&sandbox, "a", "1");
    let other = elsewhere(&sandbox, &["a"]);
    // Nobody says whose key it is.
    let ran = other.isodb(["verify", "--proof", "a.proof"]).ok();
    assert!(ran.stderr().contains("nobody has said whose key it is") && ran.stderr().contains("--signers"));
    assert!(ran.lines().iter().any(|line| line.starts_with("signer SHA256:") && line.matches(' ').count() == 1));
    let list = std::fs::read_to_string(other.path().join("signers")).unwrap();
    let check = |list: &str| {
        other.write("signers", list);
        other.isodb(["verify", "--proof", "a.proof", "--signers", "signers", "--content", "out"])
    };
    check(&list).ok();
    std::fs::remove_file(other.path().join("out")).unwrap();
    refused(check(""), 4, "no allowed signer has this key");
    refused(check(&list.replace("ann@farm", "bo@farm")), 4, "the committer is \"ann@farm\"");
    refused(check(&list.replace("namespaces=", "valid-before=\"20200101\",namespaces=")), 4, "was not valid then");
    let key = list.split_once("ssh-ed25519 ").unwrap().1.split_whitespace().next().unwrap();
    refused(check(&list.replace(key, &format!("{key} keys=b/**"))), 4, "may not change \"a\"");
    check(&list.replace(key, &format!("{key} keys=b/** keys=a"))).ok();
    refused(check(&format!("{list}# isodb:revoked ssh-ed25519 {key}\n")), 4, "revoked");
    let ran = check(&format!("{list}nonsense\n")).ok();
    assert!(ran.stderr().starts_with("warning: line 2 of signers cannot be used: "), "{}", ran.stderr());
}

#[test]
fn what_does_not_hold_is_refused() {
    let (sandbox, _) = farm();
    put(&sandbox, "a", "the content");
    let other = elsewhere(&sandbox, &["a"]);
    let proof = std::fs::read(other.path().join("a.proof")).unwrap();
    let check = |proof: &[u8]| other.isodb_with_input(["-q", "verify", "--proof=-", "--content", "out"], proof);
    let mut damaged = proof.clone();
    *damaged.last_mut().unwrap() ^= 1;
    refused(check(&damaged), 4, "the proof does not hold: its checksum is another");
    refused(check(&proof[..proof.len() - 40]), 4, "the proof does not hold");
    refused(check(b"hello\n"), 4, "its first line is another");
    assert!(!other.path().join("out").exists());
    refused(other.isodb(["verify", "--proof", "none.proof"]), 2, "none.proof");
    refused(other.isodb(["verify", "--proof", "a.proof", "--trusted", "12ab"]), 2, "12ab");
    refused(other.isodb(["verify", "--proof", "a.proof", "--trusted", &"1".repeat(64)]), 4, "does not begin");
    refused(other.isodb(["verify", "--signers", "signers"]), 2, "--proof");
    // What nobody has signed cannot be proved.
    sandbox.isodb_with_input(["put", "b", "--no-sign"], "1").ok();
    refused(sandbox.isodb(["prove", "b"]), 1, "there is no proof of \"b\": ");
    refused(sandbox.isodb(["prove", "b//c"]), 2, "b//c");
    let ran = sandbox.isodb(["prove", "a"]).ok();
    assert!(ran.stderr().starts_with("note: ") && ran.stderr().ends_with("where a was the same\n"), "{}", ran.stderr());
}

#[test]
fn a_chain_leads_from_a_trusted_commit() {
    let (sandbox, first) = farm();
    sandbox.isodb(["ref", "set", "barn", "HEAD"]).ok();
    put(&sandbox, "a", "1");
    sandbox.isodb_with_input(["put", "b", "--ref", "barn"], "1").ok();
    let merge = sandbox.isodb(["merge", "barn"]).ok().line();
    let head = put(&sandbox, "a", "2");
    assert_eq!(sandbox.isodb(["rev-parse", "HEAD~1"]).ok().line(), merge);
    let other = elsewhere(&sandbox, &["a", "--since", &first]);
    let ran = other.isodb(["verify", "--proof", "a.proof", "--trusted", &first]).ok();
    assert_eq!(ran.stderr(), "");
    let lines = ran.lines();
    assert_eq!((&lines[1], lines.last().unwrap()), (&format!("commit {head}"), &format!("since {first} 2 1")));
    assert!(lines.iter().any(|line| line.starts_with("signer ") && line.ends_with(" ann@farm")), "{lines:?}");
    let ran = other.isodb(["verify", "--proof", "a.proof"]).ok();
    assert!(ran.stderr().contains(&format!("--trusted {first}")), "{}", ran.stderr());
    refused(other.isodb(["verify", "--proof", "a.proof", "--trusted", &merge.replace('a', "b")]), 4, "does not begin");
    // A commit by its id alone.
    let other = elsewhere(&sandbox, &["b", "--at", &merge, "--since", &merge]);
    other.isodb(["verify", "--proof", "a.proof", "--trusted", &merge]).ok();
    refused(other.isodb(["verify", "--proof", "a.proof"]), 4, "is not signed");
}

#[test]
fn a_commit_that_git_signed() {
    if !has_tool("git") || !has_tool("ssh-keygen") {
        return;
    }
    let (sandbox, _) = farm();
    put(&sandbox, "a", "1");
    let key = sandbox.path().join(".config/isodb/id_ed25519");
    let settings = ["-c", "gpg.format=ssh", "-c", &format!("user.signingKey={}", key.display())].map(str::to_owned);
    let names = ["AUTHOR", "COMMITTER"].map(|role| (format!("GIT_{role}_NAME"), format!("GIT_{role}_EMAIL")));
    let mut command = sandbox.command("git");
    command.arg(format!("--git-dir={}", sandbox.db().display())).args(&settings);
    for (name, email) in names {
        command.env(name, "Ann").env(email, "ann@farm");
    }
    command.args(["commit-tree", "-S", "-m", "by git", "-p", "HEAD", "HEAD^{tree}"]);
    let commit = crate::support::run(command, None).ok().line();
    let other = elsewhere(&sandbox, &["a", "--at", &commit]);
    let lines = other.isodb(["verify", "--proof", "a.proof", "--signers", "signers"]).ok().lines();
    assert_eq!(lines[1], format!("commit {commit}"));
}

#[test]
fn a_proof_is_not_shown_to_people() {
    if !has_tool("script") {
        return;
    }
    let (sandbox, _) = farm();
    put(&sandbox, "a", "1");
    let ran = sandbox.bash("script -qec 'isodb prove a 2>&1' /dev/null </dev/null").status(2);
    assert!(ran.text().starts_with("error: a proof is not for a terminal\r\nhint: "), "{}", ran.text());
}
