//! Commits and tags as they are found in the world, over the isodb stream: the bytes are the same on both sides, so that
//! signatures still verify.

use crate::support::keys::{git_with_list, has_openssh, ssh_keygen, verified_by_git};
use crate::support::{Ran, Sandbox, run};

/// What stands behind a commit's tree and parents. Each is a commit on the one before.
const COMMITS: &[&str] = &[
    // An empty message, one that does not end, and ones with more than that.
    "author A <a@x> 1700000000 +0000\\ncommitter A <a@x> 1700000000 +0000\\n\\n",
    "author A <a@x> 1700000000 +0000\\ncommitter A <a@x> 1700000000 +0000\\n\\nno end",
    "author A <a@x> 1700000000 +0000\\ncommitter A <a@x> 1700000000 +0000\\n\\n\\n\\n  \\r\\nlate \\t\\n\\n\\n",
    "author A <a@x> 1700000000 +0000\\ncommitter A <a@x> 1700000000 +0000\\n\\ntree abc\\nparent def\\n",
    // People, times and places.
    "author  <> 0 +0000\\ncommitter  <> 0 +0000\\n\\nnobody\\n",
    "author A <a@x> 1700000000 -0000\\ncommitter A B. C. <@> 4102444800 +1345\\n\\nplaces\\n",
    // Bytes that are not UTF-8, and the header that says so.
    "author Joerg <j@x> 1 +0100\\ncommitter Joerg <j@x> 1 +0100\\nencoding ISO-8859-1\\n\\nf\\xfcr\\n",
    // Headers that nobody knows, one of several lines, some of them twice.
    "author A <a@x> 1 +0000\\ncommitter A <a@x> 1 +0000\\nfarm yes\\nfarm no\\nrain one\\n two\\n \\n three\\n\\nunknown\\n",
    // What git writes when it merges a signed tag, and signatures that are none that are verified here.
    concat!(
        "author A <a@x> 1 +0000\\ncommitter A <a@x> 1 +0000\\nmergetag object 1234\\n type commit\\n tag v0\\n",
        " tagger A <a@x> 1 +0000\\n \\n words\\n -----BEGIN PGP SIGNATURE-----\\n \\n abc\\n",
        " -----END PGP SIGNATURE-----\\nHG:extra x\\n\\nmerge\\n"
    ),
    concat!(
        "author A <a@x> 1 +0000\\ncommitter A <a@x> 1 +0000\\ngpgsig-sha256 -----BEGIN PGP SIGNATURE-----\\n \\n abc\\n",
        " -----END PGP SIGNATURE-----\\n\\nby somebody else\\n"
    ),
];

struct Barn {
    sandbox: Sandbox,
}

impl Barn {
    fn bash(&self, script: &str) -> Ran {
        let mut command = self.sandbox.command("bash");
        command.args(["-c", &format!("set -eo pipefail; export GIT_DIR=.isodb; {script}")]);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Bo").env(format!("GIT_{role}_EMAIL"), "bo@barn");
        }
        run(command, None).ok()
    }

    /// Makes a tree that has a document more than the last one, and of it a commit of these bytes.
    fn commit(&self, number: usize, rest: &str) -> String {
        self.bash(&format!(
            "isodb put --on main n/{number} <<<{number} >made
             printf 'tree %s\\nparent %s\\n{rest}' $(git rev-parse $(cat made)^{{tree}} main) |
             git hash-object -t commit -w --literally --stdin | tee id
             isodb ref set -q main $(cat id) >out"
        ))
        .line()
    }
}

fn signers(name: &str) -> String {
    format!("git -c gpg.format=ssh -c user.signingKey=$PWD/{name}.pub")
}

#[test]
fn all_that_is_in_a_commit_is_carried() {
    if !has_openssh() {
        return;
    }
    let barn = Barn { sandbox: Sandbox::with_database() };
    let sandbox = &barn.sandbox;
    ssh_keygen(sandbox, "ed25519", "", "key");
    sandbox.isodb(["trust", "add", "ann@farm", "key.pub"]).ok();
    for (number, rest) in COMMITS.iter().enumerate() {
        barn.commit(number, rest);
    }
    // git signs a commit of its own, a merge of its own, and tags of commits and of tags; isodb does as well.
    let git = signers("key");
    let signed = barn
        .bash(&format!(
            "one=$({git} commit-tree -S -p main -m 'by git' main^{{tree}})
             other=$(git commit-tree -p main~2 -m aside main~2^{{tree}})
             two=$({git} commit-tree -S -p $one -p $other -p main~4 -F - $one^{{tree}} <<<'an octopus')
             git -c i18n.commitEncoding=ISO-8859-1 commit-tree -p $two -m $'f\\xfcr' $two^{{tree}} >latin
             isodb ref set -q main $(cat latin) >out
             {git} tag -s -m 'by git' git $one; {git} tag -s -m 'of a tag' tag git; git tag -a -m '' empty $other
             echo $one $two"
        ))
        .line();
    sandbox.isodb(["config", "user.signingKey", "key"]).ok();
    let ours = sandbox.isodb_with_input(["put", "--sign", "signed"], "1").ok().line();
    sandbox.isodb(["tag", "ours", "-m", "a tag", "--sign"]).ok();

    // A stream in a file can come in no other way; then over a link, there and back.
    sandbox.isodb(["bundle", "create", "-q", "--stream", "x.bundle"]).ok();
    sandbox.isodb(["clone", "-q", "x.bundle", "file.isodb"]).ok();
    sandbox.isodb(["clone", "-q", ".isodb", "link.isodb"]).ok();
    sandbox.isodb(["init", "-q", "pushed.isodb"]).ok();
    sandbox.isodb(["push", "-q", "--tags", "./pushed.isodb", "main"]).ok();
    let list = |db: &str| {
        let line = format!("git --git-dir={db} for-each-ref --format='%(objectname) %(refname)' refs/heads refs/tags");
        sandbox.bash(&line).ok().text()
    };
    let expected = list(".isodb");
    assert_eq!(expected.lines().count(), 5, "{expected}");
    for db in ["file.isodb", "link.isodb", "pushed.isodb"] {
        assert_eq!(list(db), expected, "{db}");
        let checked = sandbox.bash(&format!("git --git-dir={db} fsck --connectivity-only --no-dangling")).ok();
        assert_eq!(checked.text() + &checked.stderr(), "", "{db}");
        sandbox.isodb(["--db", db, "fsck", "-q"]).ok();
        // All of history, byte by byte.
        let all = |db: &str| format!("git --git-dir={db} rev-list --objects --all | cut -d' ' -f1 | sort | sha256sum");
        assert_eq!(sandbox.bash(&all(db)).ok().text(), sandbox.bash(&all(".isodb")).ok().text(), "{db}");
    }
    let copy = Sandbox::new();
    sandbox.bash(&format!("cp -r link.isodb {}/.isodb", copy.path().display())).ok();
    for commit in signed.split(' ').chain([ours.as_str()]) {
        verified_by_git(&copy, "verify-commit", commit);
    }
    for tag in ["git", "tag", "ours"] {
        verified_by_git(&copy, "verify-tag", tag);
    }
    let log = git_with_list(&copy, &["log", "-1", "--format=%G?", &ours]).ok();
    assert_eq!(log.line(), "G");
}
