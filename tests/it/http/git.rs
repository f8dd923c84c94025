//! git as a client of `isodb serve`.

use super::Farm;
use crate::support::serving::log_of;

#[test]
fn what_git_asks_is_logged() {
    let farm = Farm::new();
    let tip = farm.put("a", "1");
    let server = farm.serve(&[]);
    farm.bash(&format!("git clone -q --bare {}/farm.isodb git", server.url)).ok();
    // One database alone needs no name.
    let listed = farm.bash(&format!("git ls-remote {}", server.url)).ok().text();
    assert!(listed.contains(&format!("{tip}\trefs/heads/main\n")), "{listed}");
    let said = farm.bash(&format!("git ls-remote {}/mill.isodb", server.url)).status(128).stderr();
    assert!(said.contains("there is nothing at this address") && said.contains("not found"), "{said}");
    let said = farm.bash(&format!("git -c protocol.version=0 ls-remote {}", server.url)).status(128).stderr();
    assert!(said.contains("remote: only version 2 of git's protocol is spoken here"), "{said}");
    assert_eq!(server.stop(), Some(0));
    let log = log_of(&farm.sandbox);
    assert!(log.contains(" GET /farm.isodb/info/refs 200 0 "), "{log}");
    assert!(log.contains(" POST /farm.isodb/git-upload-pack 200 "), "{log}");
}

#[test]
fn git_clones_what_is_empty() {
    let farm = Farm::new();
    let server = farm.serve(&[]);
    farm.bash(&format!("git clone -q --bare {} git", server.url)).ok();
    let read = farm.bash("git -C git symbolic-ref HEAD; git -C git rev-parse --show-object-format");
    assert_eq!(read.lines(), ["refs/heads/main", "sha256"]);
}

#[test]
fn a_pack_above_the_limit_is_refused_in_words() {
    let farm = Farm::new();
    farm.isodb(&["config", "receive.maxInputSize", "1000000"]).ok();
    let server = farm.serve(&[]);
    let make = "git init -q --bare -b main --object-format=sha256 git && cd git &&
        blob=$(head -c 9000000 /dev/urandom | git hash-object -w --stdin) &&
        folder=$(printf '100644 blob %s\\tblob\\n' $blob | git mktree) &&
        root=$(printf '040000 tree %s\\tlarge\\n' $folder | git mktree) &&
        git commit-tree -m large $root";
    let large = farm.bash(make).line();
    let said = farm.bash(&format!("git -C git push {} {large}:refs/heads/main", server.url)).status(1).stderr();
    assert!(said.contains("the size of the pack is more than the limit of 1000000"), "{said}");
    farm.isodb(&["cat-object", "-e", &large]).status(1);
}

#[test]
fn many_refs_and_long_requests() {
    let farm = Farm::new();
    let first = farm.put("a", "1");
    let server = farm.serve(&[]);
    farm.bash(&format!("git clone -q --bare {} git", server.url)).ok();
    let name = |n: &str| format!("refs/heads/the-branch-of-somebody-who-has-many-{n}");
    let script = format!("seq 1500 | sed 's#.*#{first}:{}#' | xargs git -C git push -q origin", name("&"));
    farm.bash(&script).ok();
    assert_eq!(farm.isodb(&["ref", "list"]).ok().lines().len(), 1501);
    // The request for the commits of all of them is packed by git.
    let each = format!("for n in $(seq 60); do isodb put --ref {} many/$n <<<$n; done >ids", name("$n"));
    farm.bash(&format!("export ISODB_DIR=farm.isodb; {each}")).ok();
    farm.bash("git -C git fetch -q --no-auto-maintenance origin '+refs/heads/*:refs/heads/*'").ok();
    let count = farm.bash("git -C git for-each-ref | wc -l").line();
    assert_eq!(count.trim(), "1501");
    farm.check(&["git"]);
}

#[test]
fn nothing_is_pushed_where_that_is_not_meant() {
    let farm = Farm::new();
    farm.put("a", "1");
    let server = farm.serve(&["--read-only"]);
    farm.bash(&format!("git clone -q --bare {} git", server.url)).ok();
    let said = farm.bash("git -C git push origin main:refs/heads/b").status(128).stderr();
    assert!(said.contains("remote: nothing can be pushed here"), "{said}");
    assert_eq!(farm.isodb(&["ref", "list"]).ok().lines().len(), 1);
}

#[test]
fn on_stdin_and_stdout() {
    let farm = Farm::new();
    farm.put("a", "1");
    let asked =
        "GET /farm.isodb/info/refs?service=git-upload-pack HTTP/1.1\r\nhost: x\r\ngit-protocol: version=2\r\n\r\n";
    let answered = farm.sandbox.isodb_with_input(["serve", "-q", "--stdio", "farm.isodb"], asked.repeat(2)).ok();
    assert_eq!(answered.text().matches("HTTP/1.1 200 OK\r\n").count(), 2, "{}", answered.text());
    assert_eq!(answered.text().matches("000eversion 2\n").count(), 2);
    assert_eq!(answered.stderr(), "");
}

#[test]
fn upkeep_follows_many_pushes() {
    let farm = Farm::new();
    farm.put("a", "1");
    farm.isodb(&["config", "gc.autoPackLimit", "4"]).ok();
    let mut command = farm.sandbox.command("bash");
    command.args(["-c", "exec isodb serve -q --listen 127.0.0.1:0 farm.isodb >url"]).env_remove("ISODB_GC_AUTO");
    let mut server = command.spawn().unwrap();
    let pushes = "until grep -q http url; do sleep 0.05; done
        git clone -q --mirror $(cat url) git 2>said; cd git; git config --unset remote.origin.mirror
        tree=$(git mktree </dev/null)
        for n in $(seq 16); do
            git push -q origin $(git commit-tree -m $n $tree):refs/heads/b$n || exit
        done
        # The last push has been answered when upkeep is started.
        for n in $(seq 600); do
            [ $(ls ../farm.isodb/objects/pack/*.pack | wc -l) -lt 16 ] && break
            sleep 0.1
        done
        ls ../farm.isodb/objects/pack/*.pack | wc -l";
    let left = farm.bash(pushes).ok().line();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(left.trim().parse::<u32>().unwrap() < 16, "{left} packs");
}
