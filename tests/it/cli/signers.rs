//! Who signs, and what is signed: settings, options, passphrases, and all that can go wrong on the way.

use super::{refused, sentence};
use crate::support::keys::{Agent, has_openssh, line_of, ssh_keygen};
use crate::support::{Ran, Sandbox, has_tool, run};

/// A database, and a key of the user's.
fn with_key() -> Sandbox {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["-q", "trust", "keygen"]).ok();
    sandbox
}

fn is_signed(sandbox: &Sandbox, revision: &str) -> bool {
    sandbox.isodb(["cat-object", revision]).ok().text().contains("\ngpgsig-sha256 ")
}

/// Stores something new, with these options and this in the environment.
fn put(sandbox: &Sandbox, options: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = sandbox.isodb_command([&["put", "a"], options].concat());
    command.envs(environment.iter().copied());
    let content = sandbox.isodb(["head"]).text();
    run(command, Some(content.as_bytes()))
}

/// Asserts that a put fails, and leaves nothing.
#[track_caller]
fn fails(sandbox: &Sandbox, environment: &[(&str, &str)], status: i32, words: &str) {
    let before = (sandbox.isodb(["head"]).text(), sandbox.isodb(["count-objects"]).ok().text());
    refused(put(sandbox, &["--sign"], environment), status, words);
    assert_eq!((sandbox.isodb(["head"]).text(), sandbox.isodb(["count-objects"]).ok().text()), before);
}

#[test]
fn settings_and_options_decide() {
    let sandbox = with_key();
    let signs = |options: &[&str]| {
        put(&sandbox, options, &[]).ok();
        is_signed(&sandbox, "HEAD")
    };
    assert!(!signs(&[]) && signs(&["--sign"]) && !signs(&["--sign", "--no-sign"]) && signs(&["--no-sign", "--sign"]));
    sandbox.isodb(["config", "--user", "commit.sign", "true"]).ok();
    assert!(signs(&[]) && !signs(&["--no-sign"]));
    sandbox.isodb(["config", "commit.sign", "false"]).ok();
    assert!(!signs(&[]) && signs(&["--sign"]));
    sandbox.isodb(["config", "commit.sign", "perhaps"]).ok();
    assert!(!signs(&["--no-sign"]) && signs(&["--sign"]));
    refused(put(&sandbox, &[], &[]), 2, "the setting commit.sign is \"perhaps\"");
    // Tags have a setting of their own.
    sandbox.isodb(["config", "commit.sign", "true"]).ok();
    sandbox.isodb(["tag", "light"]).ok();
    sandbox.isodb(["config", "tag.sign", "true"]).ok();
    sandbox.isodb(["tag", "heavy"]).ok();
    let tag = sandbox.isodb(["cat-object", "refs/tags/heavy"]).ok().text();
    assert!(tag.contains("\n\ntag heavy\n-----BEGIN SSH SIGNATURE-----\n"), "{tag}");
    assert_eq!(sandbox.isodb(["cat-object", "-t", "refs/tags/light"]).ok().line(), "commit");
    sandbox.isodb(["tag", "plain", "-m", "x", "--no-sign"]).ok();
    assert!(!sandbox.isodb(["cat-object", "refs/tags/plain"]).ok().text().contains("SIGNATURE"));
}

#[test]
fn every_command_that_commits_signs() {
    let sandbox = with_key();
    sandbox.isodb(["config", "commit.sign", "true"]).ok();
    sandbox.write(
        "lines",
        "{\"key\":\"n/1\",\"value\":1}\n{\"key\":\"n/2\",\"value\":2}\n{\"key\":\"n/3\",\"value\":3}\n",
    );
    let mut commits = 0;
    for line in [
        "put a lines",
        "apply lines",
        "rm n/1",
        "apply --each lines",
        "rm -r n",
        "import --commit-every 2 lines",
        "restore --all --from HEAD~1",
        "rule add x keep",
        "trust add ann@farm .config/isodb/id_ed25519.pub",
        "put b lines --on HEAD --on HEAD~2",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        for id in sandbox.isodb(words).ok().lines() {
            assert!(is_signed(&sandbox, &id), "{line}");
            commits += 1;
        }
    }
    assert_eq!(commits, 13);
    // Two sides that disagree, their merge, which nobody signs, and the resolution.
    sandbox.isodb(["ref", "set", "side", "HEAD"]).ok();
    sandbox.isodb_with_input(["put", "a"], "here").ok();
    sandbox.isodb_with_input(["put", "a", "--ref", "side"], "there").ok();
    sandbox.isodb(["merge", "side"]).status(1);
    assert!(!is_signed(&sandbox, "HEAD") && is_signed(&sandbox, "HEAD^1") && is_signed(&sandbox, "HEAD^2"));
    sandbox.isodb(["resolve", "--take-left", "a"]).ok();
    assert!(is_signed(&sandbox, "HEAD"));
    sandbox.check_with_git();
}

#[test]
fn a_locked_key_asks_for_its_passphrase() {
    if !has_openssh() || !has_tool("script") {
        return;
    }
    let sandbox = Sandbox::with_database();
    let right = sandbox.write("right", "secret\r\nand more\n");
    let wrong = sandbox.write("wrong", "secrets\n");
    let right = [("ISODB_PASSPHRASE_FILE", right.to_str().unwrap())];
    // The last two are opened by ssh-keygen, which asks this program.
    for (kind, name) in [("ed25519", "ed"), ("ecdsa -b 256", "p256"), ("rsa -b 2048", "rsa"), ("ecdsa -b 384", "p384")]
    {
        ssh_keygen(&sandbox, kind, "secret", name);
        sandbox.isodb(["config", "user.signingKey", name]).ok();
        put(&sandbox, &["--sign"], &right).ok();
        assert!(is_signed(&sandbox, "HEAD"));
        let ran = put(&sandbox, &["--sign"], &[("ISODB_PASSPHRASE_FILE", wrong.to_str().unwrap())]);
        let own = matches!(name, "ed" | "p256");
        assert!(ran.stderr().contains(if own { "the passphrase does not open" } else { "did not sign with" }));
        ran.status(if own { 2 } else { 5 });
    }
    sandbox.isodb(["config", "user.signingKey", "ed"]).ok();
    fails(&sandbox, &[("ISODB_PASSPHRASE_FILE", wrong.to_str().unwrap())], 2, "does not open the private key");
    fails(&sandbox, &[("ISODB_PASSPHRASE_FILE", "no/such/file")], 2, "cannot read no/such/file");
    let ran = sandbox.bash("echo 1 | setsid -w isodb put alone --sign");
    refused(ran, 2, "there is no terminal to ask for the passphrase");

    // On a terminal it is asked once, also for many commits, and not shown.
    let lines = "{\"key\":\"x\",\"value\":1}\n{\"key\":\"y\",\"value\":2}\n";
    sandbox.write("lines", lines);
    let apply = "apply --each lines --sync-every 1 --sign";
    let shown = on_terminal(&sandbox, apply, &["secrt\\177et\\r"]);
    assert_eq!(shown.matches("Passphrase of").count(), 1, "{shown}");
    assert!(shown.contains("status 0") && !shown.contains("sec"), "{shown}");
    assert!(is_signed(&sandbox, "HEAD") && is_signed(&sandbox, "HEAD~1"));
    let shown = on_terminal(&sandbox, apply, &["sec\\003"]);
    assert!(shown.contains("error: no passphrase was given") && shown.contains("status 2"), "{shown}");

    // For a new key it is asked twice.
    let shown = on_terminal(&sandbox, "trust keygen --passphrase new", &["a-b-c\\r", "a-b-d\\r"]);
    assert!(shown.contains("error: the two passphrases differ") && shown.contains("status 2"), "{shown}");
    let shown = on_terminal(&sandbox, "trust keygen --passphrase new", &["a-b-c\\r", "a-b-c\\r"]);
    assert!(shown.contains("ssh-ed25519 AAAA") && shown.contains("status 0") && !shown.contains("a-b-c"), "{shown}");
    sandbox.bash("ssh-keygen -y -P a-b-c -f new").ok();
}

/// Runs a command of isodb's on a terminal where somebody answers its questions; what the terminal shows.
fn on_terminal(sandbox: &Sandbox, command: &str, answers: &[&str]) -> String {
    let mut bash = format!("coproc script -qefc 'isodb {command}; echo status $?' /dev/null\n");
    for answer in answers {
        // A question must have been asked before it is answered, or what is typed is thrown away.
        bash +=
            &format!("read -r -d : -u ${{COPROC[0]}} asked; echo \"$asked:\"; printf '{answer}' >&${{COPROC[1]}}\n");
    }
    sandbox.bash(&(bash + "cat <&${COPROC[0]}")).ok().text()
}

#[test]
fn a_key_that_cannot_be_used() {
    if !has_openssh() {
        return;
    }
    let sandbox = Sandbox::with_database();
    fails(&sandbox, &[], 2, "there is no key to sign with");
    let hint = put(&sandbox, &["--sign"], &[]).stderr();
    assert!(hint.contains("hint: `isodb trust keygen`"), "{hint}");
    let set = |key: &str| sandbox.isodb(["config", "user.signingKey", key]).ok();
    set("no/such/key");
    fails(&sandbox, &[], 2, "cannot read the key no/such/key");
    set(".isodb");
    fails(&sandbox, &[], 2, "cannot read the key .isodb");
    sandbox.write("junk", "junk");
    set("junk");
    fails(&sandbox, &[], 2, "cannot sign with junk: not a private key");
    sandbox.write("long", vec![b'x'; 1 << 17]);
    set("long");
    fails(&sandbox, &[], 2, "long is too long for a key");
    set("ssh-ed25519 AAAA");
    fails(&sandbox, &[], 2, "user.signingKey is \"ssh-ed25519 AAAA\"");

    let key = ssh_keygen(&sandbox, "rsa -b 2048", "", "rsa");
    let public = line_of(&key.with_extension("pub"));
    set(&public);
    fails(&sandbox, &[], 5, "there is no ssh-agent to sign with the key SHA256:");
    fails(&sandbox, &[("SSH_AUTH_SOCK", "no/such/socket")], 5, "ssh-agent: ");
    let agent = Agent::start(&sandbox);
    let socket = agent.socket().to_str().unwrap().to_owned();
    fails(&sandbox, &[("SSH_AUTH_SOCK", &socket)], 5, "ssh-agent does not hold the key SHA256:");
    // The public half alone needs an agent too.
    std::fs::rename(&key, sandbox.path().join("gone")).unwrap();
    set("rsa.pub");
    fails(&sandbox, &[("SSH_AUTH_SOCK", &socket)], 5, "ssh-agent does not hold the key SHA256:");
    std::fs::rename(sandbox.path().join("gone"), &key).unwrap();
    agent.add(&sandbox, &key);
    put(&sandbox, &["--sign"], &[("SSH_AUTH_SOCK", &socket)]).ok();
    drop(agent);
    // An agent that is gone leaves the key's file.
    put(&sandbox, &["--sign"], &[("SSH_AUTH_SOCK", &socket)]).ok();
    assert!(is_signed(&sandbox, "HEAD") && is_signed(&sandbox, "HEAD~1"));
    let path = sandbox.path().join("empty");
    std::fs::create_dir(&path).unwrap();
    let mut command = sandbox.isodb_command(["rm", "a", "--sign"]);
    command.env("PATH", &path);
    sentence(run(command, None).status(5), "cannot run ssh-keygen");
}

#[test]
fn two_shells_sign_at_once() {
    let sandbox = with_key();
    let keys = sandbox.isodb(["trust", "keygen", "one"]).ok().line();
    sandbox.isodb(["config", "commit.sign", "true"]).ok();
    let script = "for shell in 1 2; do
        for n in 1 2 3 4 5; do
            echo $shell >f$shell; isodb put $shell/$n f$shell -q >>ids || echo failed
            isodb -q trust add $shell$n@farm one.pub >>ids || echo failed
        done &
    done; wait";
    assert_eq!(sandbox.bash(script).ok().text(), "");
    let ids = std::fs::read_to_string(sandbox.path().join("ids")).unwrap();
    assert_eq!(ids.lines().count(), 20);
    assert!(ids.lines().all(|id| is_signed(&sandbox, id)));
    // Nobody's line got lost.
    let list = sandbox.isodb(["get", "_isodb/trust/allowed_signers"]).ok().text();
    assert_eq!(list.matches(&keys).count(), 10);
    sandbox.check_with_git();
}

#[test]
#[cfg(unix)]
fn a_key_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = with_key();
    let key = sandbox.path().join(".config/isodb/id_ed25519");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let warned = put(&sandbox, &["--sign"], &[]).ok().stderr();
    assert!(warned.starts_with("warning: others can read the private key "), "{warned}");
    assert_eq!(put(&sandbox, &["--sign", "-q"], &[]).ok().stderr(), "");
}
