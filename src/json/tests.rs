//! What is read is given back, and what could not be is refused.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_read_is_written_compact() {
    for (text, compact) in [
        (" { \"b\" : [ 1.0 , -0 , 1e400 ] , \"a\" : null } ", "{\"b\":[1.0,-0,1e400],\"a\":null}"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("\"\\u0041\\/\\ud83d\\ude00\\u0001\\u007f\"", "\"A/\u{1F600}\\u0001\u{7f}\""),
        ("[]", "[]"),
        ("{}", "{}"),
        ("\t\"\\\"\\\\\\b\\f\\n\\r\\t\"\n", "\"\\\"\\\\\\b\\f\\n\\r\\t\""),
    ] {
        assert_eq!(write(&parse(text.as_bytes()).unwrap()), compact);
    }
}

#[test]
fn what_would_be_lost_is_refused() {
    for (text, reason) in [
        (&b"{\"a\":1,\"\\u0061\":2}"[..], "an object with a name twice at byte 0"),
        (b"\"\\ud800\"", "half of a surrogate pair at byte 7"),
        (b"\"\\udc00\"", "half of a surrogate pair at byte 7"),
        (b"\"\\ud800\\u0041\"", "half of a surrogate pair at byte 13"),
        (b"\"\xff\"", "bytes that are no UTF-8 at byte 1"),
        (b"01", "something after the value at byte 1"),
        (b"1.", "no number at byte 0"),
        (b"1e", "no number at byte 0"),
        (b"1e+", "no number at byte 0"),
        (b"-", "no number at byte 0"),
        (b"", "no value at byte 0"),
        (b"NaN", "no value at byte 0"),
        (b"[1,]", "no value at byte 3"),
        (b"[1 2]", "no comma in an array at byte 3"),
        (b"{\"a\" 1}", "no colon in an object at byte 5"),
        (b"{a:1}", "no name in an object at byte 1"),
        (b"{\"a\":1 \"b\":2}", "no comma in an object at byte 7"),
        (b"\"\n\"", "a control character in a string at byte 1"),
        (b"\"", "a string without an end at byte 1"),
        (b"\"\\x\"", "an escape that JSON does not have at byte 2"),
        (b"\"\\u00g0\"", "an escape that JSON does not have at byte 2"),
        (b"1 2", "something after the value at byte 2"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), reason, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    let error = parse(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err();
    assert_eq!(error, ParseError { reason: "nesting that is too deep", at: MAX_DEPTH });
    // Far deeper texts end in the same way, and not in a stack that is full.
    assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn the_order_of_members_does_not_count() {
    let read = |text: &str| parse(text.as_bytes()).unwrap();
    assert_eq!(read("{\"a\":1,\"b\":{\"c\":2,\"d\":3}}"), read("{\"b\":{\"d\":3,\"c\":2},\"a\":1}"));
    assert_ne!(read("{\"a\":1}"), read("{\"a\":1.0}"));
    assert_ne!(read("[1,2]"), read("[2,1]"));
    assert_ne!(read("{\"a\":1}"), read("{\"b\":1}"));
}

#[test]
fn an_integer_keeps_its_text_or_is_none() {
    let number = |text: &str| Number::new(text).unwrap().as_i64();
    assert_eq!(number("9223372036854775807"), Some(i64::MAX));
    assert_eq!(number("-9223372036854775808"), Some(i64::MIN));
    for text in ["9223372036854775808", "-0", "1.0", "1e2"] {
        assert_eq!(number(text), None, "{text}");
    }
    for text in ["", "+1", "01", "0x1", " 1", ".5"] {
        assert_eq!(Number::new(text), None, "{text}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?"
            .prop_map(|text| Value::Number(Number::new(&text).unwrap())),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            proptest::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_written_value_is_read_again(value in value()) {
        let text = write(&value);
        prop_assert_eq!(&parse(text.as_bytes()).unwrap(), &value);
        prop_assert_eq!(write(&parse(text.as_bytes()).unwrap()), text.clone());
        // Another reader agrees that it is JSON.
        prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_text_of_json_s_characters_makes_it_panic(text in "[\\[\\]{}\",:\\\\u0-9a-fADde.+ -]{0,40}") {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        // What is read here is JSON there; the reverse does not hold for names that stand twice.
        prop_assert!(parse(text.as_bytes()).is_err() || theirs);
    }
}

#[test]
fn numbers_have_an_order_by_value() {
    let number = |text: &str| Number::new(text).unwrap();
    let ascending = [
        "-1e400",
        "-9223372036854775809",
        "-9223372036854775808",
        "-1.5",
        "-1",
        "-0.1",
        "-1e-9999999999999999999999999999999999999",
        "0",
        "1e-9999999999999999999999999999999999999",
        "1e-400",
        "0.1",
        "0.1000000000000000055511151231257827",
        "0.10001",
        "1",
        "1.5",
        "2",
        "10",
        "9223372036854775807",
        "9223372036854775808",
        "123456789012345678901234567890",
        "1e400",
        "11e399",
        "1e9999999999999999999999999999999999999",
    ];
    for (at, one) in ascending.iter().enumerate() {
        for (other_at, other) in ascending.iter().enumerate() {
            assert_eq!(number(one).compare(&number(other)), at.cmp(&other_at), "{one} and {other}");
        }
    }
    for (one, other) in [
        ("1", "1.0"),
        ("1", "10e-1"),
        ("0", "-0"),
        ("0", "0e5"),
        ("-0.0", "0"),
        ("100", "1E+2"),
        ("0.01", "1e-2"),
        ("12.30", "1.23e1"),
    ] {
        assert!(number(one).compare(&number(other)).is_eq(), "{one} and {other}");
    }
}

#[test]
fn whole_numbers_are_found_in_every_spelling() {
    let whole = |text: &str| Number::new(text).unwrap().whole();
    let max = "9223372036854775807.0";
    for (text, found) in
        [("1.0", 1), ("10e-1", 1), ("-0", 0), ("0e99", 0), ("1e18", 1_000_000_000_000_000_000), (max, i64::MAX)]
    {
        assert_eq!(whole(text), Some(found), "{text}");
    }
    assert_eq!(whole("-9223372036854775808"), Some(i64::MIN));
    for text in
        ["1.5", "0.1", "1e-400", "9223372036854775808", "1e19", "1e400", "-9223372036854775809", "99999999999999999999"]
    {
        assert_eq!(whole(text), None, "{text}");
    }
}
