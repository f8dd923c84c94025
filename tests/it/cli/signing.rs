//! Signatures of commits and tags: git and OpenSSH accept ours, and the library accepts theirs.

use isodb::{Kind, SIGNATURE_NAMESPACE, Signature, split_signed};

use crate::support::keys::{Agent, git_with_list, has_openssh, line_of, ssh_keygen, verified_by_git};
use crate::support::{Sandbox, run};

/// Stores a document as a signed commit, and has git and the library look at it, and at a tag for it.
fn sign_and_check(sandbox: &Sandbox, key: &str, environment: &[(&str, &str)]) {
    let isodb = |args: &[&str], input: &str| {
        let mut command = sandbox.isodb_command(args);
        command.envs(environment.iter().copied());
        run(command, Some(input.as_bytes())).ok()
    };
    sandbox.isodb(["config", "user.signingKey", key]).ok();
    let content = format!("{key} {}", sandbox.isodb(["head"]).text());
    let commit = isodb(&["put", "signed", "--sign", "-m", "two\n\nlines"], &content).line();
    let ran = isodb(&["tag", "signed", "-m", "a tag", "--sign", "--force"], "");
    assert_eq!(ran.stderr(), "");
    verified_by_git(sandbox, "verify-commit", &commit);
    verified_by_git(sandbox, "verify-tag", "signed");
    let log = git_with_list(sandbox, &["log", "-1", "--show-signature", "--format=%G? %GS"]).ok();
    assert!(log.text().contains("G ann@farm"), "{}", log.text());
    checked_by_library(sandbox, Kind::Commit, &commit);
    checked_by_library(sandbox, Kind::Tag, &ran.line());
}

/// Asserts that a stored object has a good signature.
fn checked_by_library(sandbox: &Sandbox, kind: Kind, id: &str) -> Signature {
    let body = sandbox.isodb(["cat-object", id]).ok();
    let signed = split_signed(kind, body.bytes()).expect("it is signed");
    let signature = Signature::parse(&signed.armor).unwrap();
    signature.verify(SIGNATURE_NAMESPACE, &signed.payload).unwrap();
    signature
}

#[test]
fn git_accepts_what_a_key_file_signs() {
    if !has_openssh() {
        return;
    }
    let sandbox = Sandbox::with_database();
    // The last two are signed by ssh-keygen.
    for (kind, name) in [("ed25519", "ed"), ("ecdsa -b 256", "p256"), ("rsa -b 2048", "rsa"), ("ecdsa -b 384", "p384")]
    {
        let key = ssh_keygen(&sandbox, kind, "", name);
        sandbox.isodb(["trust", "add", "ann@farm", &format!("{name}.pub")]).ok();
        sign_and_check(&sandbox, key.to_str().unwrap(), &[]);
        // The public half stands for the private one beside it, and a path starts at home, or here.
        sign_and_check(&sandbox, &format!("~/{name}.pub"), &[]);
        sign_and_check(&sandbox, name, &[]);
    }
    sandbox.check_with_git();
}

#[test]
fn git_accepts_what_an_agent_signs() {
    if !has_openssh() {
        return;
    }
    let sandbox = Sandbox::with_database();
    let agent = Agent::start(&sandbox);
    let socket = [("SSH_AUTH_SOCK", agent.socket().to_str().unwrap())];
    for (kind, name) in [("ed25519", "ed"), ("ecdsa -b 256", "p256"), ("rsa -b 2048", "rsa"), ("ecdsa -b 521", "p521")]
    {
        let key = ssh_keygen(&sandbox, kind, "", name);
        sandbox.isodb(["trust", "add", "ann@farm", &format!("{name}.pub")]).ok();
        agent.add(&sandbox, &key);
        std::fs::remove_file(&key).unwrap();
        let public = key.with_extension("pub");
        sign_and_check(&sandbox, public.to_str().unwrap(), &socket);
        sign_and_check(&sandbox, &line_of(&public), &socket);
        sign_and_check(&sandbox, &format!("key::{}", line_of(&public)), &socket);
    }
    // A key that is locked is taken from the agent, and nobody is asked for the passphrase.
    let locked = ssh_keygen(&sandbox, "ed25519", "secret", "locked");
    let mut command = sandbox.command("bash");
    command.args(["-c", "SSH_ASKPASS=./answer SSH_ASKPASS_REQUIRE=force ssh-add -q locked"]);
    command.env("SSH_AUTH_SOCK", agent.socket());
    sandbox.write("answer", "#!/bin/sh\necho secret\n");
    sandbox.bash("chmod +x answer").ok();
    run(command, None).ok();
    sandbox.isodb(["trust", "add", "ann@farm", "locked.pub"]).ok();
    sign_and_check(&sandbox, locked.to_str().unwrap(), &socket);
    sandbox.check_with_git();
}

#[test]
fn git_accepts_what_a_certificate_signs() {
    if !has_openssh() {
        return;
    }
    let sandbox = Sandbox::with_database();
    ssh_keygen(&sandbox, "ed25519", "", "ca");
    let key = ssh_keygen(&sandbox, "ed25519", "", "ann");
    sandbox.bash("ssh-keygen -q -s ca -I ann -n ann@farm -V 20200101:20300101 ann.pub").ok();
    sandbox.isodb(["trust", "add", "*@farm", "ca.pub", "--cert-authority"]).ok();
    sandbox.isodb(["config", "user.signingKey", "ann-cert.pub"]).ok();
    let by_program = sandbox.isodb_with_input(["put", "a", "--sign"], "1").ok().line();
    let agent = Agent::start(&sandbox);
    agent.add(&sandbox, &key);
    std::fs::remove_file(&key).unwrap();
    let mut command = sandbox.isodb_command(["put", "a", "--sign"]);
    command.env("SSH_AUTH_SOCK", agent.socket());
    let by_agent = run(command, Some(b"2")).ok().line();
    for commit in [by_program, by_agent] {
        let ran = git_with_list(&sandbox, &["verify-commit", &commit]).ok();
        assert!(ran.stderr().starts_with("Good \"git\" signature for ann@farm with ED25519-CERT"), "{}", ran.stderr());
        assert!(checked_by_library(&sandbox, Kind::Commit, &commit).public_key().certificate().is_some());
    }
    sandbox.check_with_git();
}

#[test]
fn the_library_accepts_what_git_signs() {
    if !has_openssh() {
        return;
    }
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    for (kind, name) in [("ed25519", "ed"), ("ecdsa -b 256", "p256"), ("rsa -b 2048", "rsa")] {
        let key = ssh_keygen(&sandbox, kind, "", name);
        let setting = format!("user.signingKey={}", key.display());
        let git = |args: &[&str]| {
            let own = ["-c", "gpg.format=ssh", "-c", &setting, "-c", "user.name=Ann", "-c", "user.email=ann@farm"];
            sandbox.git([&own, args].concat()).ok()
        };
        let commit = git(&["commit-tree", "-S", "-p", "HEAD", "-m", "by git\n\nin two parts", "HEAD^{tree}"]).line();
        let public = line_of(&key.with_extension("pub"));
        let signature = checked_by_library(&sandbox, Kind::Commit, &commit);
        assert!(public.starts_with(&signature.public_key().to_string()), "{public}");
        git(&["tag", "-s", "-m", "by git", name, &commit]);
        checked_by_library(&sandbox, Kind::Tag, &format!("refs/tags/{name}"));
        let listed = sandbox.isodb(["tag", "--json"]).ok().text();
        assert!(listed.contains("\"message\":\"by git\\n\"") && listed.contains("\"signed\":true"), "{listed}");
    }
}
