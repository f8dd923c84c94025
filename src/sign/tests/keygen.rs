//! Both directions with the real ssh-keygen: what it signs we accept, what we sign it accepts; keys, files, certificates.

use super::*;
use crate::object::Kind;

/// All kinds that ssh-keygen makes without hardware.
const KINDS: [&str; 5] = ["ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-2048"];

#[test]
fn signatures_of_every_kind_are_verified() {
    let Some(keygen) = Keygen::new() else { return };
    for kind in KINDS {
        let key = keygen.key(kind, "");
        let signature = keygen.sign(&key, b"hello");
        assert_eq!(signature.public_key(), &public(&key));
        signature.verify("git", b"hello").unwrap();
        assert_eq!(signature.verify("git", b"hallo"), Err(SignError::Mismatch));
        // What ssh-keygen writes is what we would write.
        assert_eq!(signature.armor() + "\n", String::from_utf8(keygen.read("message.sig")).unwrap());
        let fingerprint = keygen.ok(&["-l", "-f", key.to_str().unwrap()], b"");
        assert_eq!(fingerprint.split(' ').nth(1).unwrap(), public(&key).fingerprint());
        let line = String::from_utf8(keygen.read(&format!("{}.pub", kind.replace('-', "")))).unwrap();
        assert_eq!(line, format!("{} a comment\n", public(&key)));
    }
}

#[test]
fn what_we_sign_is_accepted() {
    let Some(keygen) = Keygen::new() else { return };
    for kind in KINDS {
        let path = keygen.key(kind, "");
        let file = std::fs::read(&path).unwrap();
        let key = PrivateKey::parse(&file).unwrap();
        assert_eq!((key.public_key(), key.comment()), (&public(&path), "a comment"));
        assert_eq!(key.to_openssh().as_bytes(), file);
        assert_eq!(key.can_sign(), ["ed25519", "ecdsa-256"].contains(&kind));
        if !key.can_sign() {
            assert!(matches!(key.sign("git", b""), Err(SignError::Unsupported(_))));
            continue;
        }
        let signature = key.sign("git", b"hello").unwrap();
        assert!(keygen.accepts(&signature, b"hello"));
        assert!(!keygen.accepts(&signature, b"hallo"));
    }
}

#[test]
fn locked_files_of_every_cipher_are_opened() {
    let Some(keygen) = Keygen::new() else { return };
    let ciphers = ["aes256-ctr", "aes128-cbc", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"];
    let path = keygen.key("ecdsa-256", "");
    for cipher in ciphers {
        let args = ["-q", "-p", "-a", "1", "-Z", cipher, "-P", "", "-N", "secret words", "-f", path.to_str().unwrap()];
        keygen.ok(&args, b"");
        let locked = PrivateKey::parse(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!((locked.is_encrypted(), locked.can_sign(), locked.comment()), (true, false, ""));
        assert_eq!(locked.public_key(), &public(&path));
        assert_eq!(locked.sign("git", b"").unwrap_err(), SignError::Locked);
        for wrong in ["", "secret", "secret words "] {
            assert_eq!(locked.decrypt(wrong.as_bytes()).unwrap_err(), SignError::Passphrase, "{cipher}");
        }
        let key = locked.decrypt(b"secret words").unwrap();
        assert_eq!(key.comment(), "a comment");
        assert!(keygen.accepts(&key.sign("git", b"hello").unwrap(), b"hello"));
        keygen.ok(&["-q", "-p", "-P", "secret words", "-N", "", "-f", path.to_str().unwrap()], b"");
    }
}

#[test]
fn files_that_we_write_are_read_by_ssh_keygen() {
    let Some(keygen) = Keygen::new() else { return };
    let key = PrivateKey::generate([3; 32], "Ann's\ntablet");
    assert_eq!(key.comment(), "Ann's tablet");
    let locked = key.encrypt(b"secret", [5; 16]).unwrap();
    for (key, passphrase) in [(&key, ""), (&locked, "secret")] {
        let path = keygen.write("ours", key.to_openssh().as_bytes());
        std::process::Command::new("chmod").arg("600").arg(&path).status().unwrap();
        let line = keygen.ok(&["-y", "-P", passphrase, "-f", "ours"], b"");
        assert_eq!(PublicKey::parse(&line).unwrap(), *key.public_key());
    }
    assert!(!keygen.run(&["-y", "-P", "wrong", "-f", "ours"], b"").0);
}

#[test]
fn files_of_other_forms_are_named() {
    let Some(keygen) = Keygen::new() else { return };
    for (kind, form) in [("rsa-2048", "PEM"), ("ecdsa-256", "PEM"), ("ecdsa-384", "PKCS8")] {
        let path = keygen.key(kind, "");
        keygen.ok(&["-q", "-p", "-m", form, "-P", "", "-N", "", "-f", path.to_str().unwrap()], b"");
        let error = PrivateKey::parse(&std::fs::read(&path).unwrap()).unwrap_err();
        assert_eq!(error, SignError::Pem);
        assert!(error.to_string().contains("ssh-keygen -p -f"));
        let error = PrivateKey::parse(&std::fs::read(path.with_extension("pub")).unwrap()).unwrap_err();
        assert!(matches!(error, SignError::PrivateKey(_)));
    }
}

#[test]
fn short_rsa_keys_are_refused() {
    let Some(keygen) = Keygen::new() else { return };
    let key = keygen.key("rsa-1024", "");
    let error = keygen.sign(&key, b"hello").verify("git", b"hello").unwrap_err();
    assert_eq!(error, SignError::Unsupported("an RSA key of 1024 bits".into()));
}

/// A time within the certificates' validity, 2023-11-14.
const NOW: i64 = 1_700_000_000;

#[test]
fn certificates_are_judged_by_their_authority() {
    let Some(keygen) = Keygen::new() else { return };
    let authority = keygen.key("ecdsa-384", "");
    let (authority, other) = (authority.to_str().unwrap().to_owned(), PrivateKey::generate([1; 32], ""));
    for kind in ["ed25519", "ecdsa-256", "rsa-2048"] {
        let key = keygen.key(kind, "");
        let made = format!("{}-cert.pub", key.to_str().unwrap());
        let certify = |options: &[&str]| {
            let public = key.with_extension("pub");
            let args = [&["-q", "-s", &authority, "-I", "id"], options, &[public.to_str().unwrap()]].concat();
            keygen.ok(&args, b"");
            let signature = keygen.sign(Path::new(&made), b"hello");
            signature.verify("git", b"hello").unwrap();
            assert!(signature.verify("git", b"hallo").is_err());
            signature
        };
        let valid = ["-n", "ann@farm,bo@farm", "-V", "20230101000000Z:20240101000000Z"];
        let signature = certify(&valid);
        let certificate = signature.public_key().certificate().unwrap();
        assert_eq!((certificate.id(), certificate.principals().len()), ("id", 2));
        assert_eq!(certificate.key(), &public(&key));
        let line = format!("*@farm cert-authority,namespaces=\"git\" {}\n", certificate.authority());
        let judge = |signature: &Signature, line: &str, identity: &str, time: i64| {
            let list = AllowedSigners::parse(line.as_bytes());
            assert_eq!(list.problems().count(), 0);
            let ours = list.judge(signature.public_key(), "git", identity, time);
            let theirs = keygen.allows(signature, line, identity, time);
            assert_eq!(matches!(ours, Judgement::Allowed { .. }), theirs, "{line} {identity} {time}: {ours:?}");
            theirs
        };
        assert!(judge(&signature, &line, "ann@farm", NOW) && judge(&signature, &line, "bo@farm", NOW));
        assert!(!judge(&signature, &line, "cy@farm", NOW) && !judge(&signature, &line, "ann@home", NOW));
        for (time, good) in
            [(1_672_531_199, false), (1_672_531_200, true), (1_704_067_199, true), (1_704_067_200, false)]
        {
            assert_eq!(judge(&signature, &line, "ann@farm", time), good);
        }
        // A line of the key alone, of the authority without the word, of another authority.
        assert!(!judge(&signature, &format!("*@farm {}\n", certificate.key()), "ann@farm", NOW));
        assert!(!judge(&signature, &line.replace("cert-authority,", ""), "ann@farm", NOW));
        assert!(!judge(&signature, &format!("*@farm cert-authority {}\n", other.public_key()), "ann@farm", NOW));
        // And the authority's key signs certificates, not messages.
        let by_authority = keygen.sign(Path::new(&authority), b"hello");
        assert!(!judge(&by_authority, &line, "ann@farm", NOW));

        let host = certify(&[&["-h"], &valid[..]].concat());
        assert!(!judge(&host, &line, "ann@farm", NOW));
        let nobody = certify(&valid[2..]);
        assert!(!judge(&nobody, &line, "ann@farm", NOW));
        // Options that limit logins: ssh-keygen passes over them, we do not.
        let limited = certify(&[&["-O", "force-command=true"], &valid[..]].concat());
        let list = AllowedSigners::parse(line.as_bytes());
        let judged = list.judge(limited.public_key(), "git", "ann@farm", NOW);
        assert!(matches!(judged, Judgement::Certificate { .. }));
        // Revoking the key or the authority revokes the certificate.
        for revoked in [certificate.key(), certificate.authority(), signature.public_key()] {
            let mut list = list.clone();
            list.revoke(revoked, "").unwrap();
            assert_eq!(list.judge(signature.public_key(), "git", "ann@farm", NOW), Judgement::Revoked);
        }
    }
}

#[test]
fn what_git_signed_is_cut_and_verified() {
    let Some(keygen) = Keygen::new() else { return };
    let key = keygen.key("ed25519", "");
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
            git.env_remove(name);
        }
        let signing_key = format!("user.signingKey={}", key.display());
        let config = ["-c", "gpg.format=ssh", "-c", &signing_key, "-c", "user.name=Ann", "-c", "user.email=ann@farm"];
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", keygen.path("")).current_dir(keygen.path("")).args(config);
        let output = git.arg("--git-dir=repo").args(args).output().ok()?;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Some(output.stdout)
    };
    if git(&["init", "-q", "--bare", "--object-format=sha256", "repo"]).is_none() {
        return skipped("git");
    }
    let tree = String::from_utf8(git(&["hash-object", "-w", "-t", "tree", "--stdin"]).unwrap()).unwrap();
    let commit = git(&["commit-tree", "-S", "-m", "first\n\n-----BEGIN SSH SIGNATURE-----", tree.trim()]).unwrap();
    let commit = String::from_utf8(commit).unwrap();
    git(&["tag", "-s", "-m", "note", "v1", commit.trim()]).unwrap();
    for (kind, name) in [(Kind::Commit, commit.trim()), (Kind::Tag, "v1")] {
        let body = git(&["cat-file", kind.name(), name]).unwrap();
        let signed = split(kind, &body).unwrap();
        let signature = Signature::parse(&signed.armor).unwrap();
        assert_eq!(signature.public_key(), &public(&key));
        signature.verify(NAMESPACE, &signed.payload).unwrap();
        let armor = signature.armor();
        // What is cut can be put together again.
        let text = String::from_utf8(body).unwrap();
        let header = format!("{HEADER} {}\n", armor.replace('\n', "\n "));
        let removed = if kind == Kind::Commit { header } else { armor + "\n" };
        assert_eq!(text.replacen(&removed, "", 1).into_bytes(), signed.payload);
    }
}
