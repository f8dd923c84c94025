//! Lists of allowed signers against the real ssh-keygen, line by generated line; and lists as values.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;

/// 2023-11-14.
const NOW: i64 = 1_700_000_000;

const PRINCIPALS: [&str; 24] = [
    "ann@farm",
    "*@farm",
    "a?n@farm",
    "a?@farm",
    "!ann@farm,*",
    "*,!ann@farm",
    "!bo@farm,ann@*",
    "!bo@farm",
    "bo@farm,ann@farm",
    "\"ann@farm\"",
    "\"x y,ann@farm\"",
    "\"ann@farm",
    "an\"n@farm\"",
    "ann@farm\"\"",
    "\"\"",
    "*",
    "**a**",
    "ANN@farm",
    "ann@farm,",
    ",ann@farm",
    "#ann@farm",
    "ann@far",
    "ann@farm.org",
    "é*,ann@farm",
];

const OPTIONS: [&str; 40] = [
    "namespaces=\"git\"",
    "namespaces=\"git\"",
    "namespaces=\"file,git\"",
    "namespaces=\"g*\"",
    "namespaces=\"!git,*\"",
    "namespaces=\"file\"",
    "NameSpaces=\"git\"",
    "namespaces=git",
    "namespaces=\"git",
    "namespaces=\"g\\\"it,git\"",
    "namespaces=\"a b,git\"",
    "namespaces=\"git\\\\\"",
    "namespaces=\"\"",
    "namespaces",
    "cert-authority",
    "CERT-AUTHORITY",
    "cert-authorityx",
    "cert-authority=\"x\"",
    "valid-after=\"20200101\"",
    "valid-after=\"20200101\"",
    "VALID-after=\"20240101Z\"",
    "valid-after=\"20231114221320Z\"",
    "valid-after=\"20231114221321Z\"",
    "valid-after=\"202001011259\"",
    "valid-after=\"20200101UTC\"",
    "valid-after=\"2020\"",
    "valid-after=\"\"",
    "valid-after=\"20201301\"",
    "valid-before=\"20240101\"",
    "valid-before=\"20240101z\"",
    "valid-before=\"20231114221320Z\"",
    "valid-before=\"20231114221319\"",
    "valid-before=\"20000101Z\"",
    "valid-before=\"19700101Z\"",
    "valid-before=\"2024010100\"",
    "valid-before=20240101",
    "verify-required",
    "no-touch-required",
    "",
    "x",
];

/// Lines out of parts that are right, odd and wrong.
fn lines(key: String, other: String) -> impl Strategy<Value = String> {
    let blank = select(vec![" ", " ", " ", "\t", "  ", " \t"]);
    let (kind, base64) = key.split_once(' ').unwrap();
    let keys = [
        key.clone(),
        other,
        format!("{kind}\t {base64}"),
        format!("{kind}{base64}"),
        format!("ssh-rsa {base64}"),
        format!("SSH-ED25519 {base64}"),
        format!("{kind} {}", &base64[1..]),
        format!("{kind} {base64}="),
        format!("{kind} {base64}AAAA"),
        kind.to_owned(),
        String::new(),
    ];
    let comments = ["", "", " Ann", "\tAnn's # tablet \"", " ", "\r", " Ann\r"];
    let parts = (
        select(vec!["", "", "", "", " ", "\t ", "#", "\r"]),
        prop_oneof![Just("*@farm"), select(PRINCIPALS.to_vec())],
        blank.clone(),
        prop_oneof![vec(select(OPTIONS.to_vec()), 0..2), vec(select(OPTIONS.to_vec()), 0..4)],
        blank,
        prop_oneof![2 => Just(keys[0].clone()), 1 => select(keys.to_vec())],
        select(comments.to_vec()),
    );
    parts.prop_map(|(start, principals, blank, options, second, key, comment)| {
        let options = options.join(",");
        let options = if options.is_empty() { String::new() } else { options + second };
        format!("{start}{principals}{blank}{options}{key}{comment}")
    })
}

#[test]
fn ssh_keygen_agrees_on_generated_lines() {
    let Some(keygen) = Keygen::new() else { return };
    let key = PrivateKey::generate([1; 32], "");
    let other = PrivateKey::generate([2; 32], "").public_key().to_string();
    let signature = key.sign("git", b"hello").unwrap();
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let allowed = std::cell::Cell::new(0);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let tried = runner.run(&lines(key.public_key().to_string(), other), |line| {
        let list = AllowedSigners::parse(line.as_bytes());
        let ours = list.judge(key.public_key(), "git", "ann@farm", NOW);
        let theirs = keygen.allows(&signature, format!("{line}\n"), "ann@farm", NOW);
        let is_allowed = matches!(ours, Judgement::Allowed { .. });
        allowed.set(allowed.get() + usize::from(is_allowed));
        prop_assert!(is_allowed == theirs, "{line:?}: {ours:?} {:?}", list.problems().collect::<Vec<_>>());
        Ok(())
    });
    tried.unwrap();
    assert!(allowed.get() > 40, "{} lines allow: the generator makes nothing but nonsense", allowed.get());
}

#[test]
fn ssh_keygen_agrees_on_lists_and_finds_the_same_principals() {
    let Some(keygen) = Keygen::new() else { return };
    let key = PrivateKey::generate([1; 32], "");
    let signature = key.sign("git", b"hello").unwrap();
    let key = key.public_key();
    let list = format!(
        "# a comment\n\nnobody@farm broken\nann@farm valid-before=\"20200101Z\" {key}\n\
         ann@farm,amy@farm namespaces=\"git\" {key} keys=a/** Ann\n*@home {key}\n"
    );
    let parsed = AllowedSigners::parse(list.as_bytes());
    for (identity, time) in
        [("ann@farm", NOW), ("ann@farm", 86_400), ("amy@farm", NOW), ("x@home", 99), ("bo@farm", NOW)]
    {
        let ours = matches!(parsed.judge(key, "git", identity, time), Judgement::Allowed { .. });
        assert_eq!(ours, keygen.allows(&signature, &list, identity, time), "{identity} {time}");
    }
    keygen.write("sig", signature.armor());
    let said =
        keygen.ok(&["-q", "-Y", "find-principals", "-s", "sig", "-f", "allowed", "-Overify-time=20231114Z"], b"");
    let said: Vec<&str> = said.lines().take(2).collect();
    assert_eq!(said, ["ann@farm", "amy@farm"]);
}

#[test]
fn where_we_are_stricter() {
    let key = PrivateKey::generate([1; 32], "").public_key().clone();
    for (line, problem) in [
        (format!("a valid-after=\"20230231\" {key}"), "valid-after is not a date such as 20261231 or 20261231235959Z"),
        (format!("a valid-after=\"2023 101\" {key}"), "valid-after is not a date such as 20261231 or 20261231235959Z"),
        (format!("a {key} keys="), "a clause keys= is not a pattern, in quotes if it has blanks"),
        (format!("a {key} keys=\"a b\"c"), "a clause keys= is not a pattern, in quotes if it has blanks"),
        (format!("a {key} keys=\"a b"), "a quote is not closed"),
        (format!("a {key} keys=a\"b"), "a clause keys= has a quote in it that does not open it"),
        (format!("a {key} Ann keys=a"), "a clause keys= must stand before the comment"),
        (format!("a {key} keys=a Ann\tKEYS=b"), "a clause keys= must stand before the comment"),
        (format!("#isodb:Revoked {}", &key.to_string()[..30]), "not a public key: its base64 is damaged"),
        (format!("#  isodb:revoke {key}"), "isodb:revoke is not known"),
        (format!("a {key} {}", "x".repeat(65536)), "the line has more than 65536 bytes"),
        (format!("a {key} \0"), "the line is not text"),
    ] {
        let list = AllowedSigners::parse(format!("\n{line}\n").as_bytes());
        assert_eq!(list.problems().collect::<Vec<_>>(), [(2, problem)], "{line}");
        assert_eq!((list.entries().count(), list.revoked().count()), (0, 0));
    }
    let list = AllowedSigners::parse(format!("a {key} \u{fe}\n#\n# \u{fe} isodb:x\n").as_bytes());
    assert_eq!((list.problems().count(), list.entries().count()), (0, 1));
    let bytes = [b"# \xfe\n", format!("a {key} ").as_bytes(), b"\xfe\n"].concat();
    let list = AllowedSigners::parse(&bytes);
    assert_eq!(list.problems().collect::<Vec<_>>(), [(2, "the line is not text")]);
    assert_eq!(list.to_text(), bytes);
}

#[test]
fn of_several_lines_all_that_any_allows_is_allowed() {
    let key = PrivateKey::generate([1; 32], "").public_key().clone();
    let judge = |lines: &[&str]| {
        let text: String = lines.iter().map(|line| line.replace("KEY", &key.to_string()) + "\n").collect();
        AllowedSigners::parse(text.as_bytes()).judge(&key, "git", "ann@farm", NOW)
    };
    let keys = |judgement| match judgement {
        Judgement::Allowed { keys, .. } => keys.map(|keys| keys.join(" ")),
        other => panic!("{other:?}"),
    };
    assert_eq!(keys(judge(&["* KEY keys=a keys=b", "* KEY keys=c"])), Some("a b c".into()));
    assert_eq!(keys(judge(&["* KEY keys=a", "* KEY", "* KEY keys=c"])), None);
    assert_eq!(keys(judge(&["* KEY keys=a", "bo@farm KEY", "* namespaces=\"x\" KEY"])), Some("a".into()));
    // What comes closest is what is said.
    let closest = judge(&["bo@farm KEY", "* valid-before=\"20200101Z\" KEY", "* namespaces=\"x\" KEY"]);
    assert_eq!(closest, Judgement::NotValidThen { after: None, before: Some(1_577_836_800) });
    assert_eq!(judge(&["bo@farm KEY"]), Judgement::OtherPrincipal { principals: "bo@farm".into() });
}

proptest! {
    #[test]
    fn what_can_be_added_is_read_again(
        principals in "[a-z@*!,\" #]{0,12}",
        namespaces in proptest::option::of("[a-z*,\"\\\\ ]{0,8}"),
        times: (Option<u32>, Option<u32>),
        keys in vec("[a-z*/\"\\\\ \t]{0,8}", 0..3),
        comment in "\\PC{0,12}",
        cert_authority: bool,
    ) {
        let key = PrivateKey::generate([1; 32], "").public_key().clone();
        let (valid_after, valid_before) = (times.0.map(i64::from), times.1.map(i64::from));
        let signer =
            AllowedSigner { principals, cert_authority, namespaces, valid_after, valid_before, key, keys, comment };
        let mut list = AllowedSigners::default();
        if list.add(signer.clone()).is_ok() {
            let read = AllowedSigners::parse(&list.to_text());
            prop_assert_eq!(read.entries().collect::<Vec<_>>(), [&signer]);
            prop_assert_eq!(read.to_text(), list.to_text());
        } else {
            prop_assert_eq!(list.to_text(), b"");
        }
    }

    #[test]
    fn any_bytes_are_kept(text in vec(select(b"a@ \t\n\r\"#\\=,*!\0\xff".to_vec()), 0..200)) {
        let list = AllowedSigners::parse(&text);
        prop_assert_eq!(list.to_text(), text);
    }
}
