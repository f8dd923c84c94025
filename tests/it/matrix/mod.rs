//! Who meets whom, and over what: each line of one table is a test. What a cell says is really done, with git's check and
//! ids that are compared behind it.

mod ground;

use self::ground::Client::{Git, Isodb};
use self::ground::Place::{
    GitsBundle, GitsByDaemon, GitsByHttp, GitsByPath, GitsBySsh, OurBundle, OurStreamBundle, OursByHttp, OursByPath,
    OursBySsh,
};
use self::ground::{Client, Ground, Place};
use crate::support::Ran;

/// What becomes of something that is tried.
#[derive(Clone, Copy)]
enum Cell {
    Works,
    /// The exit status, and words on stderr.
    Refused(i32, &'static str),
}

use Cell::{Refused, Works};

impl Cell {
    #[track_caller]
    fn check(self, what: &str, ran: Ran) {
        match self {
            Works => drop(ran.ok()),
            Refused(status, words) => {
                let said = ran.status(status).stderr();
                assert!(said.contains(words), "{what}: {said}");
            }
        }
    }
}

/// Each line: the test's name, who comes, where it comes, and what becomes of a clone, of a fetch of what is new, of a push,
/// of a push where others were faster, and of one by force that would lose a commit. Where a clone does not come about, there
/// is nothing behind it.
macro_rules! matrix {
    ($($name:ident: $client:ident, $place:ident => $($cell:expr),+;)*) => {$(
        #[test]
        fn $name() {
            run($client, $place, &[$($cell),+]);
        }
    )*};
}

const LATE: Cell = Refused(3, "which would be lost, and was not moved");
const GIT_LATE: Cell = Refused(1, "(fetch first)");
const LOSES: Cell = Refused(1, "it would lose commits that somebody made");
const AS_GIT_SAYS: Cell = Refused(1, "non-fast-forward");
const NO_PUSH: Cell = Refused(2, "is a file, which can be fetched from alone");
const GIT_NO_PUSH: Cell = Refused(1, "failed to push some refs");

matrix! {
    isodb_and_ours_over_http: Isodb, OursByHttp => Works, Works, Works, LATE, LOSES;
    isodb_and_ours_over_ssh: Isodb, OursBySsh => Works, Works, Works, LATE, LOSES;
    isodb_and_ours_by_a_path: Isodb, OursByPath => Works, Works, Works, LATE, LOSES;
    isodb_and_our_bundle: Isodb, OurBundle => Works, Works, NO_PUSH, NO_PUSH, NO_PUSH;
    isodb_and_our_stream_in_a_bundle: Isodb, OurStreamBundle => Works, Works, NO_PUSH, NO_PUSH, NO_PUSH;
    isodb_and_gits_http_backend: Isodb, GitsByHttp => Works, Works, Works, LATE, AS_GIT_SAYS;
    isodb_and_a_git_daemon: Isodb, GitsByDaemon => Works, Works, Works, LATE, AS_GIT_SAYS;
    isodb_and_gits_over_ssh: Isodb, GitsBySsh => Works, Works, Works, LATE, AS_GIT_SAYS;
    isodb_and_gits_by_a_path: Isodb, GitsByPath => Works, Works, Works, LATE, AS_GIT_SAYS;
    isodb_and_gits_bundle: Isodb, GitsBundle => Works, Works, NO_PUSH, NO_PUSH, NO_PUSH;
    git_and_ours_over_http: Git, OursByHttp => Works, Works, Works, GIT_LATE, LOSES;
    git_and_ours_over_ssh: Git, OursBySsh => Works, Works, Works, GIT_LATE, LOSES;
    git_and_ours_by_a_path: Git, OursByPath => Works, Works, Works, GIT_LATE, LOSES;
    git_and_our_bundle: Git, OurBundle => Works, Works, GIT_NO_PUSH, GIT_NO_PUSH, GIT_NO_PUSH;
    git_and_our_stream_in_a_bundle: Git, OurStreamBundle => Refused(128, "does not look like a v2 or v3 bundle file");
    // What is git's own on both sides tells that the ground is even.
    git_and_gits_http_backend: Git, GitsByHttp => Works, Works, Works, GIT_LATE, AS_GIT_SAYS;
    git_and_a_git_daemon: Git, GitsByDaemon => Works, Works, Works, GIT_LATE, AS_GIT_SAYS;
    git_and_gits_over_ssh: Git, GitsBySsh => Works, Works, Works, GIT_LATE, AS_GIT_SAYS;
    git_and_gits_by_a_path: Git, GitsByPath => Works, Works, Works, GIT_LATE, AS_GIT_SAYS;
    git_and_gits_bundle: Git, GitsBundle => Works, Works, GIT_NO_PUSH, GIT_NO_PUSH, GIT_NO_PUSH;
}

#[track_caller]
fn run(client: Client, place: Place, cells: &[Cell]) {
    let ground = Ground::new(client, place);
    cells[0].check("clone", ground.clone());
    let &[_, fetch, push, late, forced] = cells else {
        assert_eq!(ground.there(), ground.writer(), "a clone that is refused changes nothing");
        return;
    };
    ground.same_here();

    ground.grow();
    fetch.check("fetch", ground.fetch());
    ground.same_here();
    let again = ground.fetch().ok();
    assert_eq!((again.text(), again.stderr()), (String::new(), String::new()), "nothing is new");

    let before = ground.there();
    let made = ground.commit("refs/remotes/origin/main", "mine/large", 3_000_000);
    push.check("push", ground.push(&made, None));
    assert_eq!(ground.there(), if matches!(push, Works) { made } else { before }, "push");

    let made = ground.commit("refs/remotes/origin/main", "mine/late", 10);
    ground.grow();
    let before = ground.there();
    late.check("a late push", ground.push(&made, None));
    assert_eq!(ground.there(), before, "a late push");

    ground.fetch().ok();
    ground.same_here();
    let made = ground.commit("refs/remotes/origin/main~1", "mine/aside", 10);
    forced.check("a push by force", ground.push(&made, Some(&before)));
    assert_eq!(ground.there(), before, "a push by force");
    ground.check();
}
