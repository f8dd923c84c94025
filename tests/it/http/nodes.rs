//! Nodes that meet over HTTP, with the commands that people use.

use super::Farm;
use crate::cli::refused;

#[test]
fn nodes_agree_over_a_server() {
    let farm = Farm::new();
    farm.sandbox.write("tokens", "secret\n");
    farm.isodb(&["config", "user.name", "server"]).ok();
    let server = farm.serve(&["-q", "--token-file", "tokens"]);
    let sandbox = &farm.sandbox;
    for name in ["barn", "field", "mill", "well"] {
        sandbox.isodb(["init", "-q", name]).ok();
        sandbox.isodb(["--db", name, "remote", "add", "origin", &server.url]).ok();
        sandbox.isodb(["--db", name, "config", "http.tokenFile", "tokens"]).ok();
    }
    // All at once, again and again: each writes and meets the others, and nobody waits for anybody.
    let each = "
        node() {
            for n in 1 2 3; do
                isodb --db $1 put $1/$n <<<$n >>said || fail put
                # Who met others every time tries again.
                until isodb -q --db $1 sync >>said; do [ $? = 3 ] || fail sync $1; done
            done
        }
        fail() { echo \"$*\" >>failures; }
        for name in barn field mill well; do node $name & done; wait";
    let ran = sandbox.bash(each).ok();
    let failures = std::fs::read_to_string(sandbox.path().join("failures")).unwrap_or_default();
    assert_eq!(failures, "", "{}", ran.stderr());
    for name in ["barn", "field", "mill", "well"] {
        sandbox.isodb(["-q", "--db", name, "sync"]).ok();
        assert_eq!(sandbox.isodb(["--db", name, "ls", "-r", "--count"]).ok().line(), "12");
        assert_eq!(sandbox.isodb(["--db", name, "head"]).ok().line(), farm.isodb(&["head"]).ok().line());
    }
    farm.check(&["farm.isodb"]);
    sandbox.isodb(["--db", "barn", "config", "--unset", "http.tokenFile"]).ok();
    refused(sandbox.isodb(["--db", "barn", "fetch"]), 5, "it wants a token or a password");
}
