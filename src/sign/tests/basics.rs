//! What needs no other program: signing, cutting objects, judging.

use super::*;
use crate::object::Kind;

fn ann() -> PrivateKey {
    PrivateKey::generate([7; 32], "ann@farm")
}

#[test]
fn a_key_signs_and_its_armor_is_read_again() {
    let key = ann();
    let signature = key.sign(NAMESPACE, b"hello").unwrap();
    assert_eq!(Signature::parse(signature.armor().as_bytes()).unwrap(), signature);
    assert_eq!(signature.public_key(), key.public_key());
    signature.verify("git", b"hello").unwrap();
    assert_eq!(signature.verify("git", b"hallo"), Err(SignError::Mismatch));
    assert!(matches!(signature.verify("file", b"hello"), Err(SignError::Namespace { .. })));
}

#[test]
fn a_private_key_is_kept_in_a_file() {
    let key = ann();
    let read = PrivateKey::parse(key.to_openssh().as_bytes()).unwrap();
    assert_eq!((read.public_key(), read.comment(), read.can_sign()), (key.public_key(), "ann@farm", true));
    let locked = key.encrypt(b"secret", [1; 16]).unwrap();
    let locked = PrivateKey::parse(locked.to_openssh().as_bytes()).unwrap();
    assert!(locked.is_encrypted() && !locked.can_sign());
    assert_eq!(locked.sign("git", b"").unwrap_err(), SignError::Locked);
    assert_eq!(locked.decrypt(b"wrong").unwrap_err(), SignError::Passphrase);
    let unlocked = locked.decrypt(b"secret").unwrap();
    assert_eq!((unlocked.public_key(), unlocked.comment()), (key.public_key(), "ann@farm"));
    assert_eq!(unlocked.sign("git", b"x").unwrap(), key.sign("git", b"x").unwrap());
}

const HEAD: &str = "tree 6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321\n";

#[test]
fn a_commit_is_cut_where_git_cuts_it() {
    let body = format!("{HEAD}gpgsig old\n more\ngpgsig-sha256 a\n b\n \nnote x\n y\n\ngpgsig-sha256 c\n d");
    let signed = split(Kind::Commit, body.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(signed.payload).unwrap(), format!("{HEAD}note x\n y\n\ngpgsig-sha256 c\n d"));
    assert_eq!(signed.armor, b"a\nb\n\n");
    for unsigned in ["", "gpgsig-sha2567 a\n", "gpgsig a\n gpgsig-sha256 b\n"] {
        assert_eq!(split(Kind::Commit, format!("{HEAD}{unsigned}\n").as_bytes()), None);
    }
    assert_eq!(split(Kind::Blob, body.as_bytes()), None);
}

#[test]
fn a_signature_has_one_form() {
    let message = "\nput\n";
    let payload = format!("{HEAD}note x\n{message}");
    let armor = ann().sign(NAMESPACE, payload.as_bytes()).unwrap().armor();
    let commit = |before: &str, armor: &str, after: &str| {
        let header = format!("{HEADER} {}\n", armor.replace('\n', "\n "));
        verified(Kind::Commit, format!("{HEAD}{before}{header}{after}{message}").as_bytes())
    };
    assert_eq!(commit("note x\n", &armor, "").unwrap().unwrap().armor(), armor);
    assert_eq!(verified(Kind::Commit, payload.as_bytes()), Ok(None));
    // All of these have the same payload and the same signature.
    let lines: Vec<&str> = armor.lines().collect();
    let base64 = lines[1..lines.len() - 1].concat();
    let wide = format!("{}\n{base64}\n{}", lines[0], lines[lines.len() - 1]);
    assert_eq!(Signature::parse(wide.as_bytes()).unwrap().armor(), armor);
    let others = [
        commit("", &armor, "note x\n"),
        commit("note x\ngpgsig other\n", &armor, ""),
        commit("note x\n", &armor, "gpgsig other\n"),
        commit("note x\n", &format!("{armor}\n"), ""),
        commit("note x\n", &wide, ""),
    ];
    for other in others {
        assert!(matches!(other, Err(SignError::Malformed(_))), "{other:?}");
    }
    let tag = |end: &str| {
        let signed = format!("{HEAD}\nv1\n");
        let armor = ann().sign(NAMESPACE, signed.as_bytes()).unwrap().armor();
        verified(Kind::Tag, format!("{signed}{armor}{end}").as_bytes())
    };
    assert!(tag("\n").unwrap().is_some());
    for end in ["", "\n\n", "\nx"] {
        assert!(tag(end).is_err(), "{end:?}");
    }
}

#[test]
fn a_tag_is_cut_at_its_last_signature() {
    let message = "-----BEGIN SSH SIGNATURE-----\nin the text\n";
    let armor = "-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n";
    let signed = split(Kind::Tag, format!("{HEAD}\n{message}{armor}").as_bytes()).unwrap();
    assert_eq!(signed.payload, format!("{HEAD}\n{message}").into_bytes());
    assert_eq!(signed.armor, armor.as_bytes());
    assert_eq!(split(Kind::Tag, format!("{HEAD}\n {armor}").replace("SSH", "X").as_bytes()), None);
}

#[test]
fn a_list_says_who_may_sign() {
    let (ann, bo) = (ann().public_key().clone(), PrivateKey::generate([8; 32], "").public_key().clone());
    let text = format!(
        "# the farm\nann@farm,!x@farm namespaces=\"git\",valid-after=\"20200101\" {ann} keys=a/** keys=\"b c/\\\"\" Ann's\n\
         nonsense\n*@home {ann} home\n# isodb:revoked {bo} stolen\nbo@farm {bo}\n"
    );
    let list = AllowedSigners::parse(text.as_bytes());
    assert_eq!(list.to_text(), text.as_bytes());
    assert_eq!(list.problems().collect::<Vec<_>>(), [(3, "it has no key")]);
    assert_eq!(list.revoked().collect::<Vec<_>>(), [(&bo, "stolen")]);
    let now = 1_700_000_000;
    let keys = Some(vec!["a/**".to_owned(), "b c/\"".to_owned()]);
    assert_eq!(list.judge(&ann, "git", "ann@farm", now), Judgement::Allowed { principal: "ann@farm".into(), keys });
    let home = Judgement::Allowed { principal: "*@home".into(), keys: None };
    assert_eq!(list.judge(&ann, "file", "me@home", 0), home);
    assert_eq!(list.judge(&ann, "file", "ann@farm", now), Judgement::OtherNamespace);
    let then = Judgement::NotValidThen { after: Some(1_577_836_800), before: None };
    assert_eq!(list.judge(&ann, "git", "ann@farm", 1_577_836_799), then);
    assert!(matches!(list.judge(&ann, "git", "x@farm", now), Judgement::OtherPrincipal { .. }));
    assert_eq!(list.judge(&bo, "git", "bo@farm", now), Judgement::Revoked);
    assert_eq!(AllowedSigners::default().judge(&bo, "git", "bo@farm", now), Judgement::UnknownKey);
}

#[test]
fn a_list_is_changed_line_by_line() {
    let key = ann().public_key().clone();
    let mut list = AllowedSigners::parse(b"# kept\r\n??? \nno line feed");
    let mut signer = AllowedSigner::new("ann@farm", key.clone());
    signer.keys = vec!["odd \"name\"/**".into(), "a".into()];
    signer.comment = "Ann's tablet".into();
    (signer.valid_after, signer.valid_before) = (Some(1), Some(1_700_000_000));
    list.add(signer.clone()).unwrap();
    list.revoke(&key, "lost").unwrap();
    list.revoke(&key, "twice").unwrap();
    let text = String::from_utf8(list.to_text()).unwrap();
    let line = format!(
        "ann@farm namespaces=\"git\",valid-after=\"19700101000001Z\",valid-before=\"20231114221320Z\" {key} \
         keys=\"odd \\\"name\\\"/**\" keys=a Ann's tablet\n"
    );
    assert_eq!(text, format!("# kept\r\n??? \nno line feed\n{line}# isodb:revoked {key} lost\n"));
    assert_eq!(list.entries().collect::<Vec<_>>(), [&signer]);
    assert_eq!(list.remove(|signer| signer.key == key), [signer.clone()]);
    assert_eq!(list.to_text(), format!("# kept\r\n??? \nno line feed\n# isodb:revoked {key} lost\n").as_bytes());

    let spoils: [fn(&mut AllowedSigner); 10] = [
        |signer: &mut AllowedSigner| signer.principals = "a\nb".into(),
        |signer| signer.principals = "a\"b".into(),
        |signer| signer.principals.clear(),
        |signer| signer.comment = "a\nmallory@farm ssh-ed25519 AAAA".into(),
        |signer| signer.comment = "keys=x".into(),
        |signer| signer.keys = vec!["a\nb".into()],
        |signer| signer.keys = vec![String::new()],
        |signer| signer.valid_after = Some(0),
        |signer| signer.valid_after = Some(i64::MAX),
        |signer| signer.namespaces = Some("a\nb".into()),
    ];
    for spoil in spoils {
        let mut spoilt = signer.clone();
        spoil(&mut spoilt);
        let before = list.to_text();
        assert!(matches!(list.add(spoilt.clone()), Err(SignError::Signer(_))), "{spoilt:?}");
        assert_eq!(list.to_text(), before);
    }
    assert!(list.revoke(PrivateKey::generate([9; 32], "").public_key(), "a\nb").is_err());
}
