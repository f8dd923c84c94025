//! `isodb trust`: making keys, the list of those who may sign, what is pinned.

use super::refused;
use crate::support::keys::{has_openssh, line_of};
use crate::support::{Ran, Sandbox, has_tool, run};

/// Public keys that nobody has the other half of.
const ANN: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHmiFQ9q9MHfHmUN0cGsLS4xbnRGUwXc6zWHDlXzw61M ann@tablet";
const BO: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBvDdQtSGFp8eaTrOOPZfCoPhOGnBWXiBcOr5sCxcqUo";

const LIST: &str = "_isodb/trust/allowed_signers";

/// A key as the list has it: without its comment.
fn bare(key: &str) -> String {
    key.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ")
}

fn list(sandbox: &Sandbox) -> String {
    sandbox.isodb(["get", LIST]).ok().text()
}

#[test]
fn a_key_is_made_where_there_is_none() {
    let sandbox = Sandbox::with_database();
    let ran = sandbox.isodb(["trust", "keygen", "--comment", "the tablet"]).ok();
    let path = sandbox.path().join(".config/isodb/id_ed25519");
    assert_eq!(ran.stderr(), format!("note: user.signingKey is {} now, in your own settings\n", path.display()));
    assert_eq!(sandbox.isodb(["config", "--user", "user.signingKey"]).ok().line(), path.to_str().unwrap());
    assert_eq!(ran.line(), line_of(&path.with_extension("pub")));
    assert!(ran.line().starts_with("ssh-ed25519 AAAA") && ran.line().ends_with(" the tablet"));
    refused(sandbox.isodb(["trust", "keygen"]), 2, "exists, and a key is never overwritten");
    std::fs::remove_file(&path).unwrap();
    refused(sandbox.isodb(["trust", "keygen"]), 2, "id_ed25519.pub exists, and a key is never overwritten");
    assert!(!path.exists());

    let ran = sandbox.isodb(["trust", "keygen", "other", "--json"]).ok();
    assert_eq!(ran.stderr(), "", "a key that was named is not made the user's");
    assert!(ran.line().contains("\"path\":\"other\"") && ran.line().contains("\"fingerprint\":\"SHA256:"));
    refused(sandbox.isodb(["trust", "keygen", "no/such/dir"]), 5, "cannot write no/such/dir");
    // Nobody makes the same key twice.
    assert_ne!(line_of(&sandbox.path().join("other.pub")).split(' ').nth(1), ran_key(&sandbox).as_deref());
}

fn ran_key(sandbox: &Sandbox) -> Option<String> {
    sandbox.isodb(["trust", "keygen", "another"]).ok().line().split(' ').nth(1).map(str::to_owned)
}

#[test]
#[cfg(unix)]
fn nobody_else_reads_a_new_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::with_database();
    let mode = |name: &str| std::fs::metadata(sandbox.path().join(name)).unwrap().permissions().mode() & 0o777;
    sandbox.bash("umask 0; isodb trust keygen open").ok();
    assert_eq!((mode("open"), mode("open.pub")), (0o600, 0o644));
    if !has_tool("strace") {
        return;
    }
    // Not even for a moment: it is created so.
    let trace = "strace -f -e trace=openat,chmod,fchmod -o trace isodb trust keygen traced && grep traced trace";
    let calls = sandbox.bash(trace).ok().text();
    assert!(calls.lines().any(|line| line.contains("\"traced\"") && line.contains("O_EXCL") && line.contains("0600")));
    assert!(!calls.contains("chmod"), "{calls}");
}

#[test]
fn openssh_reads_a_new_key() {
    if !has_openssh() {
        return;
    }
    let sandbox = Sandbox::with_database();
    sandbox.write("passphrase", "a long one\n");
    let mut command = sandbox.isodb_command(["trust", "keygen", "--passphrase", "locked"]);
    command.env("ISODB_PASSPHRASE_FILE", "passphrase");
    let locked = run(command, None).ok().line();
    let open: serde_json::Value =
        serde_json::from_str(&sandbox.isodb(["trust", "keygen", "open", "--json"]).ok().line()).unwrap();
    let read = |passphrase: &str, name: &str| {
        let mut command = sandbox.command("ssh-keygen");
        command.args(["-y", "-P", passphrase, "-f", name]);
        run(command, None)
    };
    assert_eq!(bare(&read("a long one", "locked").ok().line()), bare(&locked));
    read("a long ones", "locked").status(255);
    assert_eq!(open["key"].as_str(), Some(&*read("", "open").ok().line()));
    let shown = sandbox.bash("ssh-keygen -l -f open.pub").ok().line();
    assert_eq!(open["fingerprint"].as_str(), shown.split(' ').nth(1));

    sandbox.write("passphrase", "\n");
    let mut command = sandbox.isodb_command(["trust", "keygen", "--passphrase", "empty"]);
    command.env("ISODB_PASSPHRASE_FILE", "passphrase");
    refused(run(command, None), 2, "the passphrase is empty");
    assert!(!sandbox.path().join("empty").exists());
}

#[test]
fn the_list_is_changed_line_by_line() {
    let sandbox = Sandbox::with_database();
    let warned = sandbox.isodb(["trust", "add", "ann@farm", ANN]).ok().stderr();
    assert!(warned.starts_with("warning: from now on commits are judged by this list"), "{warned}");
    let first = format!("ann@farm namespaces=\"git\" {ANN}\n");
    assert_eq!(list(&sandbox), first);
    // The same again changes nothing.
    let head = sandbox.isodb(["head"]).ok().text();
    assert_eq!(sandbox.isodb(["trust", "add", "ann@farm", ANN]).ok().text(), head);

    // What else stands in it stays, byte for byte.
    let odd = format!("# ours\r\n\n  carl@farm   NAMESPACES=\"git\"  {BO}   Carl \n");
    sandbox.isodb_with_input(["put", LIST], format!("{odd}{}", first.trim_end())).ok();
    sandbox.write("bo.pub", format!("{BO} Bo's laptop\nignored\n"));
    let add = "trust add bo@farm,*@barn bo.pub --keys weights/** --keys stock/hay --namespaces git,file \
               --valid-after 2026-01-01 --valid-before @1800000000";
    let ran = sandbox.isodb(add.split_whitespace().chain(["-m", "Bo may"])).ok();
    assert_eq!(ran.stderr(), "");
    let second = format!(
        "bo@farm,*@barn namespaces=\"git,file\",valid-after=\"20260101000000Z\",valid-before=\"20270115080000Z\" {} \
         keys=weights/** keys=stock/hay Bo's laptop\n",
        bare(BO)
    );
    assert_eq!(list(&sandbox), format!("{odd}{first}{second}"));
    sandbox.isodb(["trust", "add", "a b@farm", ANN, "--cert-authority", "--comment", "", "--keys", "odd \"one\""]).ok();
    assert!(list(&sandbox).ends_with(&format!(
        "\"a b@farm\" cert-authority,namespaces=\"git\" {} keys=\"odd \\\"one\\\"\"\n",
        bare(ANN)
    )));

    sandbox.isodb(["trust", "remove", "bo@farm,*@barn", "a b@farm"]).ok();
    assert_eq!(list(&sandbox), format!("{odd}{first}"));
    sandbox.isodb(["trust", "remove", ANN]).ok();
    assert_eq!(list(&sandbox), odd);
    sandbox.check_with_git();
}

#[test]
fn the_list_is_shown() {
    let sandbox = Sandbox::with_database();
    assert_eq!(sandbox.isodb(["trust", "list"]).ok().text(), "");
    sandbox.isodb(["-q", "trust", "add", "ann@farm", ANN]).ok();
    sandbox.isodb(["trust", "add", "bo@farm", BO, "--keys", "a/**", "--valid-before", "2027-01-01"]).ok();
    sandbox.isodb(["trust", "pin", ANN]).ok();
    let fingerprint = sandbox.isodb(["trust", "pin"]).ok().line();
    let text = sandbox.isodb(["trust", "list"]).ok().lines();
    assert_eq!(text[0], format!("signer ann@farm namespaces=\"git\" ssh-ed25519 {fingerprint} ann@tablet"));
    let bo = "signer bo@farm namespaces=\"git\",valid-before=\"20270101000000Z\" ssh-ed25519 SHA256:";
    assert!(text[1].starts_with(bo) && text[1].ends_with(" keys=a/**"), "{}", text[1]);
    assert_eq!(text[2], format!("anchor {fingerprint}"));
    assert_eq!(sandbox.isodb(["trust", "list", "--at", "HEAD~1", "-z"]).ok().text().matches('\0').count(), 2);
    let json = sandbox.isodb(["trust", "list", "--json"]).ok().lines();
    let record: serde_json::Value = serde_json::from_str(&json[1]).unwrap();
    let shown = serde_json::json!({
        "type": "signer", "line": 2, "principals": "bo@farm", "key": BO, "kind": "ssh-ed25519",
        "fingerprint": record["fingerprint"], "cert_authority": false, "namespaces": "git", "valid_after": null,
        "valid_before": 1_798_761_600, "keys": ["a/**"], "comment": "", "revoked": false,
    });
    assert_eq!(record, shown);
    assert_eq!(json[2], format!("{{\"anchor\":\"{fingerprint}\",\"kind\":\"key\",\"type\":\"anchor\"}}"));

    // Only git stores a line that cannot be used.
    let tree = "blob=$(printf 'ann@farm\\nx@farm keys=a//b %s\\n' '{}' | git --git-dir=.isodb hash-object -w --stdin); \
                export GIT_INDEX_FILE=$PWD/index; git --git-dir=.isodb read-tree HEAD; \
                git --git-dir=.isodb update-index --cacheinfo 100644,$blob,_isodb/trust/allowed_signers/blob; \
                git --git-dir=.isodb -c user.name=x -c user.email=x commit-tree -p HEAD -m x $(git --git-dir=.isodb write-tree)";
    let commit = sandbox.bash(&tree.replace("{}", &format!("{ANN} keys=late"))).ok().line();
    let ran = sandbox.isodb(["trust", "list", "--at", &commit]).ok();
    assert_eq!(ran.text(), format!("anchor {fingerprint}\n"));
    let warned = ran.stderr();
    assert!(warned.starts_with(
        "warning: line 1 of _isodb/trust/allowed_signers cannot be used: it has no key\nwarning: line 2 "
    ));
}

#[test]
fn who_is_removed_may_be_revoked() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["-q", "trust", "add", "ann@farm", ANN]).ok();
    sandbox.isodb(["trust", "add", "bo@farm", BO]).ok();
    let shown = sandbox.isodb(["trust", "list"]).ok().lines();
    let fingerprint = shown[1].split(' ').nth(4).unwrap();
    sandbox.isodb(["trust", "remove", "--revoke", fingerprint]).ok();
    let revocation = format!("# isodb:revoked {BO} bo@farm\n");
    assert!(list(&sandbox).ends_with(&revocation));
    let revoked = format!("revoked ssh-ed25519 {fingerprint} bo@farm");
    assert_eq!(sandbox.isodb(["trust", "list"]).ok().lines()[1], revoked);
    let head = sandbox.isodb(["head"]).ok().text();
    assert_eq!(sandbox.isodb(["trust", "remove", "--revoke", BO]).ok().text(), head, "it is revoked already");
    refused(sandbox.isodb(["trust", "add", "bo@farm", BO]), 2, &format!("the key {fingerprint} is revoked"));
    // One that is listed all the same is marked.
    let both = list(&sandbox) + &format!("bo@farm {BO}\n");
    sandbox.isodb_with_input(["put", LIST], both).ok();
    assert_eq!(
        sandbox.isodb(["trust", "list"]).ok().lines()[1],
        format!("signer bo@farm ssh-ed25519 {fingerprint} (revoked)")
    );
    // That line does not count, so Ann's is the last that does.
    refused(sandbox.isodb(["trust", "remove", "ann@farm"]), 2, "nobody would be left who may sign");
    sandbox.isodb(["trust", "remove", "ann@farm", "--force"]).ok();
    refused(sandbox.isodb(["trust", "remove", "carl@farm", "--revoke"]), 1, "nobody in the list is \"carl@farm\"");
    // A key that was never listed can be revoked.
    sandbox.isodb(["trust", "remove", "--revoke", "--force", ANN]).ok();
    assert!(list(&sandbox).ends_with(&format!("# isodb:revoked {ANN}\n")));
}

#[test]
fn what_cannot_be_used_is_not_stored() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["-q", "trust", "add", "ann@farm", ANN]).ok();
    let before = sandbox.isodb(["head"]).ok().text();
    let bad = format!("ann@farm {ANN}\nbo@farm namespace=\"git\" {BO}\n");
    let words = "line 2 of _isodb/trust/allowed_signers cannot be used: ";
    refused(sandbox.isodb_with_input(["put", LIST], &bad), 2, words);
    let line = serde_json::json!({"key": LIST, "text": bad}).to_string() + "\n";
    refused(sandbox.isodb_with_input(["apply"], &line), 2, words);
    refused(sandbox.isodb_with_input(["import"], &line), 2, words);
    let each = sandbox.isodb_with_input(["apply", "--each"], &line).status(2);
    assert!(each.stderr().starts_with(&format!("error: line 1: {words}")), "{}", each.stderr());
    for (args, words) in [
        (&["bo@farm", BO, "--keys", "a//b"][..], "pattern \"a//b\""),
        (&["bo@farm", BO, "--valid-after", "2026-02-02", "--valid-before", "2026-02-01"], "valid-before"),
        (&["bo@farm", BO, "--valid-after", "soon"], "\"soon\" is not a time"),
        (&["bo@farm", BO, "--comment", "keys=b"], "not an allowed signer"),
        (&["bo@farm", BO, "--comment", "two\nlines"], "not an allowed signer"),
        (&["", BO], "not an allowed signer"),
        (&["bo@farm", "bo@laptop"], "\"bo@laptop\" is no public key, nor a file with one"),
        (&["bo@farm", "none.pub"], "cannot read the key none.pub"),
        (&["bo@farm", ".isodb/config"], ".isodb/config"),
    ] {
        refused(sandbox.isodb([&["trust", "add"], args].concat()), 2, words);
    }
    assert_eq!(sandbox.isodb(["head"]).ok().text(), before);
}

#[test]
fn a_list_in_conflict_is_not_changed_by_half() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["-q", "trust", "add", "ann@farm", ANN]).ok();
    sandbox.isodb(["ref", "set", "side", "HEAD"]).ok();
    sandbox.isodb(["trust", "add", "bo@farm", BO]).ok();
    sandbox.isodb(["trust", "add", "carl@farm", BO, "--ref", "side"]).ok();
    sandbox.isodb(["merge", "side"]).status(1);
    refused(sandbox.isodb(["trust", "add", "dan@farm", BO]), 1, "is in conflict");
    refused(sandbox.isodb(["trust", "remove", "ann@farm"]), 1, "is in conflict");
    let warned = sandbox.isodb(["trust", "list"]).ok().stderr();
    assert!(warned.contains("is in conflict: only what all its versions allow is allowed"), "{warned}");
    sandbox.isodb(["resolve", LIST, "--take-left"]).ok();
    sandbox.isodb(["trust", "add", "dan@farm", BO]).ok();
}

#[test]
fn anchors_are_pinned() {
    let sandbox = Sandbox::with_database();
    let pin = |args: &[&str]| -> Ran { sandbox.isodb([&["trust", "pin"], args].concat()) };
    assert_eq!(pin(&[]).ok().text(), "");
    let head = sandbox.isodb_with_input(["put", "a"], "1").ok().line();
    sandbox.isodb(["tag", "v1", "-m", "x"]).ok();
    sandbox.write("ann.pub", ANN);
    let fingerprint = pin(&["ann.pub"]).ok().line();
    assert_eq!(pin(&[ANN]).ok().line(), fingerprint);
    assert_eq!(pin(&["v1"]).ok().line(), head);
    assert_eq!(pin(&[&fingerprint]).ok().line(), fingerprint);
    assert_eq!(sandbox.isodb(["config", "trust.anchor"]).ok().line(), format!("{fingerprint} {head}"));
    assert_eq!(pin(&[]).ok().lines(), [fingerprint.clone(), head.clone()]);
    let json = pin(&["--json"]).ok().lines();
    assert_eq!(json[1], format!("{{\"anchor\":\"{head}\",\"kind\":\"commit\"}}"));
    for (what, status, words) in [
        ("SHA256:short", 2, "SHA256:short is no fingerprint"),
        ("HEAD:a", 2, "a commit is wanted"),
        ("no-such", 1, "\"no-such\""),
        ("none.pub", 2, "cannot read the key none.pub"),
    ] {
        refused(pin(&[what]), status, words);
    }
    refused(pin(&["--remove", BO]), 1, "is not pinned");
    assert_eq!(pin(&["--remove", "HEAD"]).ok().text(), "");
    pin(&["--remove", &fingerprint]).ok();
    sandbox.isodb(["config", "trust.anchor"]).status(1);
}
