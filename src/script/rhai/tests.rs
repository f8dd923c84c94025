//! Scripts by chance: marking the copies changes nothing of what they say, and none of them breaks the engine.

use super::*;

/// A small generator of random numbers (SplitMix64), and of scripts.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn word<'w>(&mut self, words: &'w str) -> &'w str {
        let words: Vec<&str> = words.split(' ').collect();
        words[self.below(words.len() as u64) as usize]
    }

    fn leaf(&mut self) -> &'static str {
        self.word(
            "a b m s left right key 1 -1 0 9223372036854775807 -9223372036854775808 64 1.5 \"x\" 'c' `t` () true [] #{} \
             [1,2] #{a:1} 3..1 0..=2",
        )
    }

    fn expression(&mut self, depth: u64) -> String {
        if depth == 0 || self.below(3) == 0 {
            return self.leaf().to_owned();
        }
        let one = self.expression(depth - 1);
        let two = self.expression(depth - 1);
        let of = self.word("a m left s b");
        match self.below(16) {
            0 | 1 => format!("{one} {} {two}", self.word("+ - * / % == != < >= && || & | ^ << >> in ?? ..")),
            2 => format!("{one}[{two}]"),
            3 => format!("{of}.{}", self.word("a b id")),
            4 => format!(
                "({one}).{}()",
                self.word("len is_empty pop shift unique sort keys values to_string to_int trim f")
            ),
            5 => {
                let method = self.word("push contains index_of remove append join split get repeat mixin min");
                format!("({one}).{method}({two})")
            }
            6 => format!("{of}.{}({one}, {two})", self.word("insert extract set sub_string replace reduce")),
            7 => format!("({one}).{}(|x| {two})", self.word("map filter find some all index_of sort")),
            8 => format!("({one}).{}(|x, y| {two})", self.word("sort reduce map")),
            9 => format!("`p ${{{one}}} q`"),
            10 => format!("[{one}, #{{a: {two}}}]"),
            11 => format!("if {one} {{ {} }} else {{ {two} }}", self.block(depth - 1)),
            12 => format!("{{ {} {one} }}", self.block(depth - 1)),
            13 => format!("{}{one}", self.word("- ! +")),
            14 => format!("{}({one}, {two})", self.word("g max min")),
            _ => format!("({one} {} {two})[{of}?.a]", self.word("+ & %")),
        }
    }

    fn statement(&mut self, depth: u64) -> String {
        let (one, two) = (self.expression(depth), self.expression(depth.saturating_sub(1)));
        let of = self.word("a b m s left");
        let block = if depth == 0 { String::new() } else { self.block(depth - 1) };
        match self.below(11) {
            0 => format!("let {of} = {one};"),
            1 => format!("{of} {} {one};", self.word("= += -= *= %= <<= |=")),
            2 => format!("{of}[{one}] = {two};"),
            3 => format!("{of}.{} = {one};", self.word("a b")),
            4 => format!("for x in {one} {{ {block} }}"),
            5 => format!("if {one} {{ {block} }}"),
            6 => format!("while {one} {{ {block} }}"),
            7 => format!("try {{ {block} }} catch (e) {{ {one}; }}"),
            8 => format!("do {{ {block} }} until {one};"),
            9 => format!("{of}[{one}].a[0] += {two};"),
            _ => format!("{one};"),
        }
    }

    fn block(&mut self, depth: u64) -> String {
        (0..self.below(3)).map(|_| self.statement(depth) + if self.below(4) == 0 { "\n" } else { " " }).collect()
    }

    fn script(&mut self) -> String {
        format!(
            "fn f(a) {{ a }} fn g(a, b) {{ [b, a] }} fn merge(key, base, left, right) {{ let a = [1, [2], #{{a: [3]}}]; \
             let b = 5; let m = #{{a: [1], b: #{{a: 2}}}}; let s = \"äbc\"; {} {} [a, b, m, s, left, right, {}] }}",
            self.statement(2),
            self.statement(1),
            self.expression(1)
        )
    }
}

/// The result of a compiled script as JSON; nothing for a conflict.
fn result(engine: &::rhai::Engine, script: &AST) -> Option<String> {
    let document = |text: &str| convert::to_script(Some(text.as_bytes())).unwrap();
    let (left, right) = (document("{\"a\":[1,2.50],\"b\":null}"), document("[1,2]"));
    let arguments: Vec<Dynamic> = vec!["k".into(), Dynamic::UNIT, left, right];
    let options = CallFnOptions::new().eval_ast(false);
    let value = engine.call_fn_with_options(options, &mut Scope::new(), script, "merge", arguments).ok()?;
    Some(crate::json::write(&convert::to_json(&value, limits::CONTENT).ok()?))
}

#[test]
fn marking_changes_nothing_of_what_a_script_says() {
    let meter = Rc::new(Meter::default());
    let engine = engine::build(&meter);
    let mut roomy = engine::build(&meter);
    roomy.set_max_expr_depths(0, 0);
    let (mut chance, mut compiled, mut results) = (Chance(7), 0, 0);
    for _ in 0..6_000 {
        let source = chance.script();
        let Some(written) = engine.compile(&source).ok() else { continue };
        let Some(marked) = copies::mark(&source, &written).ok() else { continue };
        let script = roomy.compile(&marked.source).unwrap_or_else(|error| panic!("{error}\n{source}"));
        meter.reset();
        let expected = result(&engine, &written);
        meter.reset();
        assert_eq!(result(&engine, &script), expected, "{source}\n{}", marked.source);
        (compiled, results) = (compiled + 1, results + u32::from(expected.is_some()));
    }
    // A generator whose scripts say nothing would test nothing.
    assert!(compiled > 1_000 && results > 50, "{compiled} compiled, {results} of them with a result");
}
