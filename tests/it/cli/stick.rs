//! A stick: a file system that has neither links nor modes. Where there is `strace`, all calls that need them fail.

use crate::support::{Sandbox, has_tool};

/// What FAT has not, and how it says so.
const REFUSED: &str = "inject=?link,linkat,?symlink,symlinkat,?chmod,fchmod,fchmodat:error=EPERM";

/// All names below a directory that FAT could not hold.
fn strange_names(sandbox: &Sandbox, dir: &str) -> Vec<String> {
    let is_strange =
        |name: &str| name.contains(['"', '*', '/', ':', '<', '>', '?', '\\', '|']) || name.ends_with(['.', ' ']);
    let entries = walkdir::WalkDir::new(sandbox.path().join(dir)).min_depth(1);
    let names = entries.into_iter().map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned());
    names.filter(|name| is_strange(name)).collect()
}

#[test]
fn databases_live_on_sticks() {
    if !has_tool("strace") {
        return;
    }
    let sandbox = Sandbox::in_memory();
    let on_stick = |line: &str| {
        // Both ways: the calls are refused to every process that works on either database.
        let traced = format!("strace -f -qq -o trace -e {REFUSED} isodb {line}");
        sandbox.bash(&traced).ok().text()
    };
    on_stick("init farm.isodb");
    let lines: String = (0..300).map(|n| format!("{{\"key\":\"k/{n}\",\"value\":{n}}}\n")).collect();
    sandbox.write("lines", lines);
    on_stick("--db farm.isodb apply lines");
    on_stick("--db farm.isodb config core.unpackLimit 10");
    on_stick("--db farm.isodb put k/x lines");
    on_stick("clone farm.isodb stick.isodb");
    on_stick("--db stick.isodb put k/y lines");
    on_stick("--db farm.isodb put k/z lines");
    on_stick("--db stick.isodb sync");
    on_stick("--db farm.isodb gc");
    on_stick("--db stick.isodb gc");
    let head = |db: &str| sandbox.isodb(["--db", db, "head"]).ok().line();
    assert_eq!(head("farm.isodb"), head("stick.isodb"));
    for db in ["farm.isodb", "stick.isodb"] {
        assert_eq!(strange_names(&sandbox, db), [""; 0]);
        sandbox.isodb(["--db", db, "-q", "fsck"]).ok();
    }
    let trace = std::fs::read_to_string(sandbox.path().join("trace")).unwrap();
    assert!(trace.contains("INJECTED"), "nothing was refused: {trace}");
}
