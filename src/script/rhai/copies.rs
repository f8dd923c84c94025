//! Making every copy of a value an operation that is counted.
//!
//! The engine copies a whole value wherever a variable or a part of one is used as a value, as one step. So a script is
//! compiled twice: the first time it is looked through for those places, and the second time there is a `+` in front of
//! each of them. That operator is ours: it counts what is in the value, and gives it back.

use std::collections::BTreeSet;

use ::rhai::{AST, ASTFlags, ASTNode, Expr, FlowControl, FnCallExpr, Position, Stmt, StmtBlock};

use crate::script::limits::rhai::ARGUMENTS;

/// What is put in front of a value. With a blank, since `++` is something else.
const MARK: &str = " +";

/// The functions that change what they are called on, and so have to be called as its methods: an argument is a copy.
const METHODS: [&str; 12] =
    ["append", "clear", "insert", "mixin", "pop", "push", "remove", "replace", "reverse", "set", "shift", "sort"];

/// The methods that take a function.
const CALLERS: [&str; 8] = ["all", "filter", "find", "index_of", "map", "reduce", "some", "sort"];

/// The most expressions inside of one interpolated string: what they come to is seen only when it is there.
const INTERPOLATED: usize = 64;

/// A script with its copies marked.
pub(super) struct Marked {
    pub(super) source: String,
    /// Lines and positions of the script as it was written, from 1.
    marks: BTreeSet<(usize, usize)>,
}

/// Marks the copies of a script. The error says what is wrong with it.
pub(super) fn mark(source: &str, script: &AST) -> Result<Marked, String> {
    let mut finder = Finder {
        lines: source.lines().collect(),
        marks: BTreeSet::new(),
        own: script.iter_functions().map(|its| its.name).collect(),
        wrong: None,
    };
    script.walk(&mut |path: &[ASTNode<'_>]| {
        if let [ASTNode::Stmt(statement)] = path {
            finder.statement(statement);
        }
        true
    });
    if let Some(wrong) = finder.wrong {
        return Err(wrong);
    }
    let mut marks = finder.marks.iter().peekable();
    let mut marked = String::with_capacity(source.len() + MARK.len() * finder.marks.len());
    let (mut line, mut column) = (1, 0);
    for char in source.chars() {
        column += 1;
        if marks.next_if_eq(&&(line, column)).is_some() {
            marked.push_str(MARK);
        }
        marked.push(char);
        if char == '\n' {
            (line, column) = (line + 1, 0);
        }
    }
    Ok(Marked { source: marked, marks: finder.marks })
}

impl Marked {
    /// Where something of the marked script is in the one that was written.
    pub(super) fn original(&self, position: Position) -> Option<(usize, usize)> {
        let (line, column) = (position.line()?, position.position()?);
        let mut shift = 0;
        for &(_, mark) in self.marks.range((line, 0)..=(line, usize::MAX)) {
            if column < mark + shift + MARK.len() {
                // The mark itself is where it stands.
                return Some((line, (column - shift).min(mark)));
            }
            shift += MARK.len();
        }
        Some((line, column - shift))
    }
}

struct Finder<'s> {
    lines: Vec<&'s str>,
    marks: BTreeSet<(usize, usize)>,
    /// The names of the script's own functions.
    own: BTreeSet<&'s str>,
    wrong: Option<String>,
}

impl Finder<'_> {
    fn block(&mut self, block: &StmtBlock) {
        block.iter().for_each(|statement| self.statement(statement));
    }

    fn flow(&mut self, flow: &FlowControl) {
        self.value(&flow.expr);
        self.block(&flow.body);
        self.block(&flow.branch);
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::If(flow, _) | Stmt::While(flow, _) | Stmt::Do(flow, _, _) => self.flow(flow),
            Stmt::For(its, _) => self.flow(&its.2),
            Stmt::TryCatch(flow, _) => {
                // Its expression is the name of the error.
                self.block(&flow.body);
                self.block(&flow.branch);
            }
            Stmt::Var(its, _, _) => self.value(&its.1),
            Stmt::Assignment(its) => {
                self.target(&its.1.lhs);
                self.value(&its.1.rhs);
            }
            Stmt::FnCall(call, position) => self.call(call, *position),
            Stmt::Block(block) => self.block(block),
            Stmt::Expr(value) => self.value(value),
            Stmt::BreakLoop(value, ..) | Stmt::Return(value, ..) => value.iter().for_each(|value| self.value(value)),
            // There is no `switch` and no `import`.
            _ => {}
        }
    }

    /// An expression that is computed for its value.
    fn value(&mut self, value: &Expr) {
        match value {
            Expr::Variable(..) | Expr::CharConstant(..) => self.mark(value),
            Expr::Dot(..) | Expr::Index(..) if self.target(value) => self.mark(value),
            Expr::InterpolatedString(parts, position) => {
                self.mark(value);
                if parts.len() > INTERPOLATED {
                    self.wrong.get_or_insert(format!("the script has a string with too many parts ({position})"));
                }
                parts.iter().for_each(|part| self.value(part));
            }
            Expr::Array(values, _) => values.iter().for_each(|value| self.value(value)),
            Expr::Map(its, _) => its.0.iter().for_each(|(_, value)| self.value(value)),
            Expr::Stmt(block) if is_closure(block) => {
                // Kept in what it has captured, a function would keep itself and all that alive for good.
                let position = block.position();
                self.wrong.get_or_insert(format!(
                    "a function that uses variables around it has to stand where it is called, as in x.map(…) ({position})"
                ));
            }
            Expr::Stmt(block) => self.block(block),
            Expr::FnCall(call, position) => self.call(call, *position),
            Expr::FloatConstant(_, position) => self.look_at_float(*position),
            Expr::And(values, _) | Expr::Or(values, _) | Expr::Coalesce(values, _) => {
                values.iter().for_each(|value| self.value(value));
            }
            _ => {}
        }
    }

    /// A variable or a part of a value, which is reached without copying what it is a part of. Whether it is a part, and
    /// not what a method answers.
    fn target(&mut self, target: &Expr) -> bool {
        match target {
            Expr::Dot(its, flags, _) | Expr::Index(its, flags, _) => {
                if !matches!(its.lhs, Expr::Variable(..)) {
                    self.value(&its.lhs);
                }
                self.part(&its.rhs, matches!(target, Expr::Index(..)), flags.contains(ASTFlags::BREAK))
            }
            Expr::Variable(..) => true,
            other => {
                self.value(other);
                false
            }
        }
    }

    /// What follows the first dot or bracket.
    fn part(&mut self, part: &Expr, is_index: bool, is_last: bool) -> bool {
        match part {
            Expr::Dot(its, flags, _) | Expr::Index(its, flags, _) if !is_index || !is_last => {
                self.step(&its.lhs, is_index);
                self.part(&its.rhs, matches!(part, Expr::Index(..)), flags.contains(ASTFlags::BREAK))
            }
            last => self.step(last, is_index),
        }
    }

    /// One index, property or method.
    fn step(&mut self, step: &Expr, is_index: bool) -> bool {
        match step {
            // The engine computes these without counting.
            Expr::Array(_, position) | Expr::Map(_, position) if is_index => self.bad_index(*position),
            Expr::FnCall(call, position) if is_index && call.name.starts_with("..") => self.bad_index(*position),
            _ if is_index => self.value(step),
            Expr::MethodCall(call, position) => {
                self.look_at_number(call.args.len() + 1, *position);
                let arguments = match call.args.as_slice() {
                    [Expr::Stmt(block), rest @ ..] if is_closure(block) && self.is_caller(&call.name) => rest,
                    all => all,
                };
                arguments.iter().for_each(|argument| self.value(argument));
                return false;
            }
            _ => {}
        }
        true
    }

    fn call(&mut self, call: &FnCallExpr, position: Position) {
        self.look_at_number(call.args.len(), position);
        match (call.name.as_str(), call.args.as_slice()) {
            ("+", [Expr::Variable(..)]) => {}
            ("+", [part @ (Expr::Dot(..) | Expr::Index(..))]) => _ = self.target(part),
            (name, [Expr::Variable(..) | Expr::Dot(..) | Expr::Index(..), ..])
                if METHODS.contains(&name) && !self.own.contains(name) =>
            {
                self.wrong.get_or_insert(format!("{name} changes a value, so call it as x.{name}(…) ({position})"));
            }
            (_, arguments) => arguments.iter().for_each(|argument| self.value(argument)),
        }
    }

    fn look_at_number(&mut self, arguments: usize, position: Position) {
        if arguments > ARGUMENTS {
            self.wrong.get_or_insert(format!("a call has more than {ARGUMENTS} arguments ({position})"));
        }
    }

    /// The engine makes a float of an integer that is too large.
    fn look_at_float(&mut self, position: Position) {
        let number = self.rest_of_line(position).trim_start_matches(['-', '+', ' ']);
        let end = number.chars().find(|char| !char.is_ascii_digit() && *char != '_');
        if !matches!(end, Some('.' | 'e' | 'E')) {
            self.wrong.get_or_insert(format!("an integer does not fit into 64 bits ({position})"));
        }
    }

    fn bad_index(&mut self, position: Position) {
        let what = "an index is a number or a name; for a stretch there are sub_string and extract";
        self.wrong.get_or_insert(format!("{what} ({position})"));
    }

    fn is_caller(&self, name: &str) -> bool {
        CALLERS.contains(&name) && !self.own.contains(name)
    }

    fn mark(&mut self, value: &Expr) {
        let start = value.start_position();
        let begins = match root(value) {
            Expr::Variable(its, ..) => its.1.as_str(),
            Expr::InterpolatedString(..) => "`",
            Expr::CharConstant(..) => "'",
            // A part of what has just been made, and was counted then.
            _ => return,
        };
        match (start.line(), start.position()) {
            (Some(line), Some(column)) if self.rest_of_line(start).starts_with(begins) => {
                self.marks.insert((line, column));
            }
            // A mark at a wrong place would change what the script says.
            _ => _ = self.wrong.get_or_insert(format!("the script cannot be followed ({start})")),
        }
    }

    /// The source's line from here on.
    fn rest_of_line(&self, position: Position) -> &str {
        let line = position.line().and_then(|line| self.lines.get(line - 1));
        let start = |line: &str| line.char_indices().nth(position.position()?.checked_sub(1)?).map(|(at, _)| at);
        line.and_then(|line| line.get(start(line)?..)).unwrap_or("")
    }
}

/// The expression that a chain starts with.
fn root(value: &Expr) -> &Expr {
    match value {
        Expr::Dot(its, ..) | Expr::Index(its, ..) => root(&its.lhs),
        other => other,
    }
}

/// Whether a block is the engine's form of a function that captures variables.
fn is_closure(block: &StmtBlock) -> bool {
    matches!(block.statements(), [Stmt::Share(..), ..])
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::script::rhai::{engine, meter::Meter};

    fn marked(source: &str) -> Marked {
        let script = engine::build(&Rc::new(Meter::default())).compile(source).unwrap();
        mark(source, &script).unwrap_or_else(|wrong| panic!("{source}: {wrong}"))
    }

    #[test]
    fn every_place_where_a_value_is_copied_is_marked() {
        for (source, expected) in [
            ("let c = a;", "let c =  +a;"),
            (
                "let c = 1; let c = \"x\"; let c = 1.5; let c = 'x';",
                "let c = 1; let c = \"x\"; let c = 1.5; let c =  +'x';",
            ),
            ("a[b.x].y", " +a[ +b.x].y"),
            ("a[b[0]]", " +a[ +b[0]]"),
            ("a.x[b].y = b.z;", "a.x[ +b].y =  +b.z;"),
            ("a.len()", "a.len()"),
            ("a.x.get(b).c", " +a.x.get( +b).c"),
            ("a.push(b)", "a.push( +b)"),
            ("f(a, b.c)", "f( +a,  +b.c)"),
            ("f(a).b", "f( +a).b"),
            ("(a + b)[0]", "( +a +  +b)[0]"),
            ("a + b * -a", " +a +  +b * - +a"),
            ("!(a == b) && a in b", "!( +a ==  +b) &&  +a in  +b"),
            ("[a, #{x: b}]", "[ +a, #{x:  +b}]"),
            ("`${a} ${b.c} x`", " +`${ +a} ${ +b.c} x`"),
            ("if a { b } else { a }", "if  +a {  +b } else {  +a }"),
            ("if a == 1 { b } a", "if  +a == 1 {  +b }  +a"),
            ("for x in a { x }", "for x in  +a {  +x }"),
            ("while a { break b; }", "while  +a { break  +b; }"),
            ("do { a } until b", "do {  +a } until  +b"),
            ("return a;", "return  +a;"),
            ("throw a", "throw  +a"),
            ("try { a } catch (e) { e }", "try {  +a } catch (e) {  +e }"),
            ("a ?? b?.c", " +a ??  +b?.c"),
            ("a += b;", "a +=  +b;"),
            ("+a", "+a"),
            ("a.map(|x| x + b)", "a.map(|x|  +x +  +b)"),
            ("let c = if a { b } else { 1 };", "let c = if  +a {  +b } else { 1 };"),
            ("let c = { a };", "let c = {  +a };"),
            ("a;\n  b", " +a;\n   +b"),
        ] {
            let function = |body: &str| format!("fn f(a, b) {{ {body} }}");
            assert_eq!(marked(&function(source)).source, function(expected));
        }
    }

    #[test]
    fn positions_are_found_again() {
        let source = "fn f(a, b) {\n  g(a, b, a.x); a\n}";
        let marked = marked(source);
        // Each character of the marked source, and the one that it was.
        for (line, (new, old)) in marked.source.lines().zip(source.lines()).enumerate() {
            for (at, char) in new.chars().enumerate() {
                let (line, column) = marked.original(Position::new(line as u16 + 1, at as u16 + 1)).unwrap();
                assert_eq!(line - 1, source.lines().position(|one| one == old).unwrap());
                let found = old.chars().nth(column - 1).unwrap();
                let of_mark = char == '+' || (char == ' ' && new.chars().nth(at + 1) == Some('+'));
                assert!(found == char || of_mark, "{new}: {char} at {at} is {found}");
            }
        }
        assert_eq!(marked.original(Position::NONE), None);
    }
}
