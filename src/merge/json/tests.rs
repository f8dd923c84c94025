//! Merging JSON: each rule by examples, and what must hold of all merges.

use proptest::prelude::*;

use super::*;

fn fields(text: &str) -> Fields {
    Fields::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap()
}

/// Merges, and checks that swapping the sides changes nothing. The left version is the later one.
fn merge_with(rule: &str, base: Option<&str>, left: &str, right: &str) -> Result<String, String> {
    let (rule, base) = (fields(rule), base.map(str::as_bytes));
    let merged = merge_json(base, left.as_bytes(), right.as_bytes(), &rule, &|| Later::Left);
    let swapped = merge_json(base, right.as_bytes(), left.as_bytes(), &rule, &|| Later::Right);
    assert_eq!(merged, swapped, "swapped: {left} {right}");
    merged.map(|text| String::from_utf8(text).unwrap())
}

fn merge(base: &str, left: &str, right: &str) -> Result<String, String> {
    merge_with("{}", Some(base), left, right)
}

fn both(member: &str) -> Result<String, String> {
    Err(format!("the member {member:?} was changed on both sides"))
}

fn deleted(member: &str) -> Result<String, String> {
    Err(format!("the member {member:?} was deleted on one side and changed on the other"))
}

#[test]
fn members_are_merged_one_by_one() {
    for (base, left, right, merged) in [
        (r#"{"a":1,"b":1}"#, r#"{"a":2,"b":1}"#, r#"{"a":1,"b":2}"#, r#"{"a":2,"b":2}"#),
        (r#"{"a":1,"b":1}"#, r#"{"b":1}"#, r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
        (r#"{"a":1}"#, "{}", "{}", "{}"),
        (r#"{"a":{"x":1,"y":1}}"#, r#"{"a":{"x":2,"y":1}}"#, r#"{"a":{"x":1,"z":3}}"#, r#"{"a":{"x":2,"z":3}}"#),
        (r#"{"a":[1]}"#, r#"{"a":[2]}"#, r#"{"a":[2]}"#, r#"{"a":[2]}"#),
        // The order is base's, then by name, bytewise; a member of one side alone is as that side has it.
        (
            r#"{"z":1,"b":1}"#,
            r#"{"b":1,"z":1,"é":1,"B":1}"#,
            r#"{"a":1,"z":1,"b":2}"#,
            r#"{"z":1,"b":2,"B":1,"a":1,"é":1}"#,
        ),
        ("{}", r#"{"n":{"y":1,"x":2}}"#, r#"{"m":1}"#, r#"{"m":1,"n":{"y":1,"x":2}}"#),
        ("{}", r#"{"n":{"y":1,"x":2}}"#, r#"{"n":{"y":1,"x":2}}"#, r#"{"n":{"x":2,"y":1}}"#),
        // Both made an object where there was none.
        ("{}", r#"{"n":{"y":1}}"#, r#"{"n":{"x":2}}"#, r#"{"n":{"x":2,"y":1}}"#),
        (r#"{"n":1}"#, r#"{"n":{"y":1,"x":2}}"#, r#"{"n":{"x":2,"y":1}}"#, r#"{"n":{"x":2,"y":1}}"#),
        (r#"{"n":{"y":1,"x":2}}"#, r#"{"n":{"y":1,"x":2}}"#, r#"{"n":[]}"#, r#"{"n":[]}"#),
        // Equal arrays of two texts, where base has neither.
        ("{}", r#"{"n":[{"y":1,"x":2}]}"#, r#"{"n":[{"x":2,"y":1}]}"#, r#"{"n":[{"x":2,"y":1}]}"#),
        (
            r#"{"n":[{"y":1,"x":2}]}"#,
            r#"{"n":[{"x":2,"y":1}],"a":1}"#,
            r#"{"n":[{"x":2,"y":1}]}"#,
            r#"{"n":[{"y":1,"x":2}],"a":1}"#,
        ),
    ] {
        assert_eq!(merge(base, left, right).as_deref(), Ok(merged), "{base} {left} {right}");
    }
}

#[test]
fn numbers_keep_their_digits() {
    for number in ["1.0", "-0", "1e400", "123456789012345678901234567890", "0.1000000000000000055511151231257827"] {
        let (left, right) = (format!(r#"{{"a":{number},"b":0}}"#), r#"{"a":0,"b":1}"#);
        assert_eq!(merge(r#"{"a":0,"b":0}"#, &left, right), Ok(format!(r#"{{"a":{number},"b":1}}"#)));
    }
    assert_eq!(merge(r#"{"a":1}"#, r#"{"a":1.0}"#, r#"{"a":1e0}"#), both("/a"), "texts count, not values");
}

#[test]
fn what_both_changed_is_a_conflict() {
    assert_eq!(merge(r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#), both("/a"));
    assert_eq!(merge(r#"{"a":{"b/c":1}}"#, r#"{"a":{"b/c":2}}"#, r#"{"a":{"b/c":3}}"#), both("/a/b~1c"));
    assert_eq!(merge(r#"{"a":1}"#, "{}", r#"{"a":3}"#), deleted("/a"));
    assert_eq!(merge(r#"{"a":{"b":1}}"#, "{}", r#"{"a":{"b":2}}"#), deleted("/a"));
    assert_eq!(merge("{}", r#"{"a":1}"#, r#"{"a":{}}"#), both("/a"));
    assert_eq!(merge(r#"{"a":1}"#, r#"{"a":{"x":1}}"#, r#"{"a":{"y":1}}"#), both("/a"));
    assert_eq!(merge(r#"{"a":[1]}"#, r#"{"a":[1,2]}"#, r#"{"a":[1,3]}"#), both("/a"));
    assert_eq!(merge("1", "2", "3"), Err("the whole document was changed on both sides".to_owned()));
}

#[test]
fn without_a_base_all_is_new() {
    assert_eq!(merge_with("{}", None, r#"{"b":1}"#, r#"{"a":1,"b":1}"#).as_deref(), Ok(r#"{"a":1,"b":1}"#));
    assert_eq!(merge_with("{}", None, r#"{"b":1}"#, r#"{"b":2}"#), both("/b"));
    assert!(merge_with("{}", None, "[1]", "[2]").is_err());
    assert_eq!(merge_with("{}", None, "[ 1]", "[1 ]").as_deref(), Ok("[1]"));
}

#[test]
fn the_text_is_compact_with_an_end_that_all_have() {
    let one = " { \"a\" : 1 }\n";
    assert_eq!(merge(one, "{\"a\":2}\n", one).as_deref(), Ok("{\"a\":2}\n"));
    assert_eq!(merge(one, "{\"a\":2}", one).as_deref(), Ok("{\"a\":2}"));
    assert_eq!(merge("{\"a\":1}", "{\"a\":\"\\u0041\"}\n\n", one).as_deref(), Ok("{\"a\":\"A\"}\n"));
}

#[test]
fn what_a_value_cannot_hold_is_not_merged() {
    let twice = r#"{"a":1,"a":2}"#;
    let error = merge("{}", twice, "{}").unwrap_err();
    assert_eq!(error, "a version cannot be merged as JSON: an object with a name twice at byte 0");
    let error = merge("x", "{}", "{}").unwrap_err();
    assert_eq!(error, "what both versions come from cannot be merged as JSON: no value at byte 0");
    let large = format!("\"{}\"", "x".repeat(MAX_CONTENT));
    assert_eq!(merge("1", &large, "1").unwrap_err(), "a version has more than 16 MiB");
    for (content, is_object) in [("{}", true), (" {\"a\":1}\n", true), ("[]", false), (twice, false), ("{", false)] {
        assert_eq!(is_json_object(content.as_bytes()), is_object, "{content}");
    }
    assert!(!is_json_object(large.as_bytes()));
}

#[test]
fn sums_count_both_changes() {
    let rule = r#"{"/n":"sum"}"#;
    let sum = |base: &str, left: &str, right: &str| {
        let text = |n: &str| if n.is_empty() { "{}".to_owned() } else { format!("{{\"n\":{n}}}") };
        merge_with(rule, Some(&text(base)), &text(left), &text(right))
    };
    for (base, left, right, n) in [
        ("10", "11", "12", "13"),
        ("10", "11", "11", "12"),
        ("10", "7", "12", "9"),
        ("10", "10", "1e1", "1e1"),
        ("", "1", "2", "3"),
        ("", "1", "1", "2"),
        ("0.1", "0.3", "0.10", "0.30"),
        ("9223372036854775807", "9223372036854775808", "9223372036854775809", "9223372036854775810"),
        ("1", "1.5", "0.25", "0.75"),
        ("5", "4", "-1", "-2"),
        ("1", "0", "0", "-1"),
    ] {
        assert_eq!(sum(base, left, right), Ok(format!("{{\"n\":{n}}}")), "{base} {left} {right}");
    }
    assert_eq!(sum("10", "10", "").as_deref(), Ok("{}"));
    assert_eq!(sum("10", "", "").as_deref(), Ok("{}"));
    assert_eq!(sum("10", "11", ""), deleted("/n"));
    for (base, left, right) in [("10", "\"11\"", "12"), ("\"10\"", "11", "12"), ("null", "11", "12")] {
        assert_eq!(sum(base, left, right).unwrap_err(), "the member \"/n\" is not a number on all sides");
    }
    assert_eq!(sum("0", "1e999999999", "1").unwrap_err(), "the member \"/n\" has an exponent beyond 1000");
    assert_eq!(merge_with(r#"{"":"sum"}"#, Some("1"), "2", "3\n").as_deref(), Ok("4"));
    // A few bytes each cannot make gigabytes of digits.
    let numbers = |n: &str| {
        let members: Vec<String> = (0..17_000).map(|at| format!("\"{at}\":{n}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let error = merge_with(r#"{"/*":"sum"}"#, Some("{}"), &numbers("1e999"), &numbers("2e999")).unwrap_err();
    assert!(error.ends_with("makes the sums too long"), "{error}");
}

#[test]
fn max_and_min_go_by_value() {
    let rule = r#"{"/max":"max","/min":"min"}"#;
    let pick = |left: &str, right: &str| {
        let text = |v: &str| format!("{{\"max\":{v},\"min\":{v}}}");
        merge_with(rule, Some("{}"), &text(left), &text(right))
    };
    for (left, right, max, min) in [
        ("2", "10", "10", "2"),
        ("-2", "-10", "-2", "-10"),
        ("1", "1.0", "1.0", "1"),
        ("9007199254740993", "9007199254740992", "9007199254740993", "9007199254740992"),
        ("\"b\"", "\"a\"", "\"b\"", "\"a\""),
        ("[1]", "[1]", "[1]", "[1]"),
    ] {
        assert_eq!(pick(left, right), Ok(format!("{{\"max\":{max},\"min\":{min}}}")), "{left} {right}");
    }
    assert_eq!(pick("1", "\"2\"").unwrap_err(), "the member \"/max\" is neither two numbers nor two texts");
    assert_eq!(merge_with(rule, Some(r#"{"max":5}"#), r#"{"max":5}"#, r#"{"max":3}"#).as_deref(), Ok(r#"{"max":3}"#));
    assert_eq!(merge_with(rule, Some(r#"{"max":5}"#), "{}", r#"{"max":3}"#), deleted("/max"));
}

#[test]
fn unions_hold_every_element_once() {
    let rule = r#"{"/s":"union"}"#;
    let union = |base: &str, left: &str, right: &str| {
        let text = |s: &str| if s.is_empty() { "{}".to_owned() } else { format!("{{\"s\":{s}}}") };
        merge_with(rule, Some(&text(base)), &text(left), &text(right))
    };
    for (base, left, right, s) in [
        ("[3,1]", "[3,1,5]", "[1,3,4]", "[3,1,4,5]"),
        ("[3,1]", "[3]", "[3,1,4]", "[3,1,4]"),
        ("[3,1]", "[3,5]", "[3,4]", "[3,4,5]"),
        ("", "[2,1,2]", "[10]", "[1,10,2]"),
        ("[]", r#"[{"b":1,"a":2}]"#, r#"[{"a":2,"b":1},null]"#, r#"[null,{"a":2,"b":1}]"#),
        (r#"[{"b":1,"a":2}]"#, r#"[{"a":2,"b":1},1]"#, "[2]", r#"[{"b":1,"a":2},1,2]"#),
        ("[1,1]", "[1,2]", "[1,3]", "[1,2,3]"),
        ("[1]", "[2,2]", "[2,2]", "[2,2]"),
    ] {
        assert_eq!(union(base, left, right), Ok(format!("{{\"s\":{s}}}")), "{base} {left} {right}");
    }
    assert_eq!(union("[]", "[1]", "2").unwrap_err(), "the member \"/s\" is not an array on both sides");
}

#[test]
fn lists_go_by_id() {
    let rule = r#"{"/l":"list","/l/*/n":"sum","/l/x/t":"latest"}"#;
    let list = |base: &str, left: &str, right: &str| {
        let text = |l: &str| format!("{{\"l\":[{l}]}}");
        merge_with(rule, Some(&text(base)), &text(left), &text(right))
    };
    let (a, b, c) = (r#"{"id":"a","v":1}"#, r#"{"id":"b","v":1}"#, r#"{"id":"c","v":1}"#);
    let (a2, b2) = (r#"{"id":"a","v":2}"#, r#"{"id":"b","w":1,"v":1}"#);
    for (base, left, right, merged) in [
        (vec![a, b], vec![a2, b], vec![a, b2], vec![a2, r#"{"id":"b","v":1,"w":1}"#]),
        (vec![a, b], vec![b], vec![a, b, c], vec![b, c]),
        (vec![b], vec![b, c], vec![b, a], vec![b, a, c]),
        // Where one side alone changed the order or what there is, that order.
        (vec![a, b, c], vec![c, a, b], vec![a2, b, c], vec![c, a2, b]),
        (vec![a, b, c], vec![c, b, a], vec![b, a, c], vec![a, b, c]),
        (vec![b], vec![c, a, b2], vec![c, a, b2], vec![c, a, r#"{"id":"b","v":1,"w":1}"#]),
        // Ids of two kinds; new ones by their texts.
        (
            vec![],
            vec![r#"{"id":10}"#, r#"{"id":"10"}"#],
            vec![r#"{"id":9}"#],
            vec![r#"{"id":"10"}"#, r#"{"id":10}"#, r#"{"id":9}"#],
        ),
        // Fields within elements.
        (vec![r#"{"id":1,"n":5}"#], vec![r#"{"id":1,"n":6}"#], vec![r#"{"id":1,"n":7}"#], vec![r#"{"id":1,"n":8}"#]),
        (vec![r#"{"id":1,"n":5}"#], vec![r#"{"id":1,"n":6}"#], vec![r#"{"id":1,"n":6}"#], vec![r#"{"id":1,"n":7}"#]),
        (vec![], vec![r#"{"id":"x","t":6}"#], vec![r#"{"id":"x","t":7}"#], vec![r#"{"id":"x","t":6}"#]),
    ] {
        let merged = Ok(format!("{{\"l\":[{}]}}", merged.join(",")));
        assert_eq!(list(&base.join(","), &left.join(","), &right.join(",")), merged, "{base:?} {left:?} {right:?}");
    }
    assert_eq!(list(a, "", a2), deleted("/l/a"));
    assert_eq!(list(a, r#"{"id":"a","v":3}"#, a2), both("/l/a/v"));
    assert_eq!(list("", a, a2), both("/l/a/v"));
    let error = |left: &str| list("", left, c).unwrap_err();
    assert_eq!(error(&format!("{a},{a2}")), "the member \"/l\" has the id \"a\" twice");
    let no_id = "the member \"/l\" has an element without an \"id\" that is a text or a number";
    assert_eq!([error("1"), error("{}"), error(r#"{"id":null}"#)], [no_id; 3]);
    assert_eq!(
        merge_with(rule, Some("{}"), r#"{"l":1}"#, r#"{"l":[]}"#).unwrap_err(),
        "the member \"/l\" is not an array on all sides"
    );
}

#[test]
fn latest_takes_the_later_version() {
    let rule = r#"{"/a":"latest"}"#;
    assert_eq!(merge_with(rule, Some(r#"{"a":1}"#), r#"{"a":2}"#, r#"{"a":3}"#).as_deref(), Ok(r#"{"a":2}"#));
    assert_eq!(merge_with(rule, Some(r#"{"a":1}"#), "{}", r#"{"a":3}"#).as_deref(), Ok("{}"));
    assert_eq!(merge_with(rule, Some(r#"{"a":1}"#), r#"{"a":2}"#, "{}").as_deref(), Ok(r#"{"a":2}"#));
    assert_eq!(merge_with(rule, Some(r#"{"a":1}"#), r#"{"a":1}"#, r#"{"a":3}"#).as_deref(), Ok(r#"{"a":3}"#));
    let never = || panic!("nothing needs the times");
    let merged = merge_json(None, b"{\"a\":1}", b"{\"a\":1}", &Fields::none(), &never);
    assert_eq!(merged.unwrap(), b"{\"a\":1}");
}

#[test]
fn deep_and_wide_documents_end() {
    let deep = |n: usize, end: &str| format!("{}{end}{}", "{\"a\":".repeat(n), "}".repeat(n));
    assert_eq!(merge(&deep(128, "1"), &deep(128, "2"), &deep(128, "1")), Ok(deep(128, "2")));
    assert!(merge(&deep(128, "1"), &deep(129, "2"), &deep(128, "1")).is_err());
    let wide = |n: usize| {
        let members: Vec<String> =
            (0..20_000).map(|at| format!("\"{at}\":{}", if at == 19_999 { n } else { at })).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(merge(&wide(1), &wide(2), &wide(1)), Ok(wide(2)));
}

#[test]
fn the_examples_of_the_rules_page_are_true() {
    let page = include_str!("../../../docs/format/rules.md");
    let text = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let rule = page.lines().find_map(|line| Some(text(line.strip_prefix("With ")?.strip_suffix(':')?))).unwrap();
    let mut count = 0;
    for line in page.lines().filter(|line| line.starts_with("| `{") || line.starts_with("| none |")) {
        let cells: Vec<String> = line.trim_matches('|').split('|').map(text).collect();
        let [base, left, right, merged] = cells.as_slice() else { panic!("{line}") };
        let base = Some(base.as_str()).filter(|base| *base != "none");
        let found = merge_with(&rule, base, left, right).unwrap_or("conflict".into());
        assert_eq!(&found, merged, "{line}");
        count += 1;
    }
    assert_eq!(count, 11);
}

/// Values with few names, so that sides meet.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-3_i64..4).prop_map(|n| Value::Number(n.into())),
        "[ab]{0,2}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            3 => object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    proptest::collection::hash_map("[a-d]", inner, 0..4)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn leaves(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(_, value)| leaves(value, out)),
        value => out.push(json::write(value)),
    }
}

const RULES: [&str; 4] = [
    "{}",
    r#"{"/a":"latest","/**/b":"latest"}"#,
    r#"{"/*/a":"union","/b":"max","/c":"min"}"#,
    r#"{"/**/a":"sum","/b":"union","/*/*":"latest"}"#,
];

proptest! {
    #[test]
    fn nothing_is_made_up(base in object(value()), left in object(value()), right in object(value()), rule in 0..2_usize) {
        let texts = [&base, &left, &right].map(json::write);
        if let Ok(merged) = merge_with(RULES[rule], Some(&texts[0]), &texts[1], &texts[2]) {
            let mut known = Vec::new();
            [&base, &left, &right].into_iter().for_each(|value| leaves(value, &mut known));
            let mut found = Vec::new();
            leaves(&json::parse(merged.as_bytes()).unwrap(), &mut found);
            prop_assert!(found.iter().all(|leaf| known.contains(leaf)), "{} of {:?}", merged, texts);
        }
    }

    #[test]
    fn one_side_alone_is_taken(base in value(), side in value(), rule in 0..RULES.len()) {
        let (base, text) = (json::write(&base), json::write(&side));
        let merged = merge_with(RULES[rule], Some(&base), &base, &text);
        prop_assert_eq!(json::parse(merged.unwrap().as_bytes()).unwrap(), side.clone());
        if rule < 3 {
            let merged = merge_with(RULES[rule], Some(&base), &text, &text);
            prop_assert_eq!(json::parse(merged.unwrap().as_bytes()).unwrap(), side);
        }
    }

    #[test]
    fn sides_and_order_of_members_do_not_matter(
        base in object(value()), left in object(value()), right in object(value()), rule in 0..RULES.len(),
    ) {
        let shuffled = |value: &Value| match value {
            Value::Object(members) => json::write(&Value::Object(members.iter().rev().cloned().collect())),
            value => json::write(value),
        };
        let base = json::write(&base);
        let merged = merge_with(RULES[rule], Some(&base), &json::write(&left), &json::write(&right));
        let again = merge_with(RULES[rule], Some(&base), &shuffled(&left), &shuffled(&right));
        prop_assert_eq!(merged, again);
    }
}
