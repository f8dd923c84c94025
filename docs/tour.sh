#!/usr/bin/env bash
# A tour of isodb on four years of weather: builds the program, then stores, reads, corrects, compares and inspects
# 2,922 documents in a temporary database, with git beside it. Each command is printed before its output.
#
#     bash docs/tour.sh [--keep]
#
# --keep leaves the database. ISODB=PROGRAM takes that program in place of building one. The output is the same each
# time (docs/tour.md holds it): the clock and the author are fixed. Any surprise ends the tour with a non-zero status.
set -euo pipefail

keep=
case "${1-}" in
    '') ;;
    --keep) keep=1 ;;
    *) echo 'usage: bash docs/tour.sh [--keep]' >&2; exit 2 ;;
esac

docs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${ISODB-}" ]; then
    (cd "$docs/.." && cargo build --release --locked --bin isodb) >&2
    target=${CARGO_TARGET_DIR:-$docs/../target}
    ISODB=$(cd "$docs/.." && cd "$target" && pwd)/release/isodb
fi

# A world of its own: no configuration of the user's, nobody's name, a clock that only the tour moves.
while IFS='=' read -r name _; do
    case "$name" in ISODB_* | GIT_*) unset "$name" ;; esac
done < <(env)
work=$(mktemp -d)
finish() {
    status=$?
    trap - EXIT
    if [ -n "$keep" ]; then echo "The database is in $work/.isodb"; else rm -rf "$work"; fi
    exit "$status"
}
trap finish EXIT
mkdir "$work/.bin"
ln -s "$ISODB" "$work/.bin/isodb"
cp "$docs/tour/weather.csv" "$docs/tour/weather.awk" "$work"
cd "$work"
export PATH="$work/.bin:$PATH" HOME="$work" XDG_CONFIG_HOME="$work" LC_ALL=C
export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
export ISODB_AUTHOR_NAME=Ann ISODB_AUTHOR_EMAIL=ann@farm ISODB_COMMITTER_NAME=Ann ISODB_COMMITTER_EMAIL=ann@farm
export SOURCE_DATE_EPOCH=1700000000

say() { printf '\n%s\n\n' "$1"; }

# Prints a command and runs it. Its output goes through a file, so that it is the same on a terminal and in a pipe.
show() {
    local status=0
    SOURCE_DATE_EPOCH=$((SOURCE_DATE_EPOCH + 60))
    printf '$ %s\n' "$1"
    eval "$1" >.output 2>&1 </dev/null || status=$?
    cat .output
    # A content need not end in a newline; the next prompt starts a line all the same.
    if [ -s .output ] && [ -n "$(tail -c 1 .output)" ]; then echo; fi
    if [ "$status" -ne "${2:-0}" ]; then
        echo "tour: this ended with status $status, not ${2:-0}" >&2
        exit 1
    fi
    if [ "$status" -ne 0 ]; then echo "(exit status $status)"; fi
}

# The same for a command whose answer is to be no.
refused() { show "$2" "$1"; }

say '# 1. Four years of weather, stored as one commit'
show 'isodb init .'
show 'head -n 3 weather.csv'
show 'awk -f weather.awk weather.csv >weather.ndjson'
show 'head -n 2 weather.ndjson'
show 'isodb apply weather.ndjson -m "weather of Seattle and New York, 2012 to 2015"'
show 'isodb ls -r --count'

say '# 2. Read it back'
show 'isodb ls weather'
show 'isodb get weather/Seattle/2012-01-01'
show 'isodb get --json "weather/New York/2015-12-31"'
show 'isodb ls --from weather/Seattle/2012-06-29 --to weather/Seattle/2012-07-03'
show 'isodb ls --from weather/Seattle/2012 --to weather/Seattle/2013 --count'
refused 1 'isodb get weather/Seattle/2012-02-30'
say 'Documents go through pipes as lines of JSON; here, how many days had which weather:'
show "isodb ls -r weather/Seattle | isodb get --batch --json |
    awk -F'\"' '{ days[\$(NF-1)]++ } END { for (kind in days) print days[kind], kind }' | sort -rn"

say '# 3. Correct it'
show 'key=weather/Seattle/2012-01-01'
show 'isodb get $key | sed s/12.8/13.4/ | isodb put $key -m "Seattle: the thermometer was read again"'
show 'isodb show -p'
say 'A batch that depends on what it read: all of it is stored, or none.'
show 'isodb get weather/Seattle/2012-01-15'
show 'snow=$(isodb rev-parse HEAD:weather/Seattle/2012-01-15)'
show 'cat >fixes.ndjson <<END
{"key":"weather/Seattle/2012-01-15","if":"$snow","value":{"precipitation":5.3,"temp_max":1.1,"temp_min":-3.3,"wind":3.5,"weather":"snow"}}
{"key":"weather/Seattle/2016-01-01","if":"none","value":{"precipitation":0.0,"temp_max":5.0,"temp_min":-2.1,"wind":3.4,"weather":"sun"}}
END'
show 'isodb apply fixes.ndjson -m "Seattle: corrections"'
say 'A second run finds that its conditions do not hold any more, and changes nothing:'
refused 3 'isodb apply fixes.ndjson -m "Seattle: corrections"'

say '# 4. What changed, when, and back again'
show 'isodb diff HEAD~2'
show 'isodb diff -p HEAD~1 HEAD weather/Seattle/2012-01-15'
show 'isodb rm weather/Seattle/2012-01-01 -m "Seattle: remove a doubtful day"'
show 'isodb log --oneline'
show 'isodb log weather/Seattle/2012-01-01 -n 2'
refused 1 'isodb get weather/Seattle/2012-01-01'
show 'isodb get --at HEAD~3 weather/Seattle/2012-01-01'
show 'isodb restore weather/Seattle/2012-01-01 --from HEAD~1'
show 'isodb diff --stat HEAD~2'
show 'isodb ref log main -n 2'

say '# 5. The objects below'
show 'isodb cat-object -p HEAD'
show 'isodb ls-tree HEAD'
show 'isodb ls-tree HEAD:weather/Seattle/2012-01-01'
say 'A large folder is stored in parts, so that one changed day rewrites some short trees:'
show 'isodb ls-tree HEAD:weather/Seattle | wc -l | tr -d " "'
show 'isodb ls-tree HEAD:weather/Seattle | head -n 3'
show 'part=$(isodb ls-tree HEAD:weather/Seattle | head -n 1 | cut -c 13-76)'
show 'isodb cat-object -p $part | head -n 3'
show 'isodb cat-object --raw HEAD | sha256sum'
show 'isodb cat-object --all | cut -d " " -f 2 | sort | uniq -c | sed "s/^ *//"'

say '# 6. It is a git repository, and git agrees'
show 'git --git-dir=.isodb fsck --strict --full'
show 'git --git-dir=.isodb log --format="%H %an %s"'
show 'git --git-dir=.isodb cat-file -p $(isodb rev-parse HEAD:weather/Seattle/2012-01-01)'
show 'git --git-dir=.isodb for-each-ref'
show 'isodb cat-object --all >isodb.objects'
show 'git --git-dir=.isodb cat-file --batch-all-objects --batch-check >git.objects'
show 'cmp isodb.objects git.objects && wc -l <git.objects | tr -d " "'

say '# 7. Two writers, one head'
show 'head=$(isodb head)'
show 'echo "the gauge leaks" | isodb put notes/gauge --expect $head --author "Ann <ann@farm>"'
refused 3 'echo "the gauge is new" | isodb put notes/gauge --expect $head --author "Bob <bob@farm>"'
say 'Bob reads again and decides anew. Who does not ask for a certain head waits for its turn; four at once:'
show 'echo "the gauge is new" | isodb put notes/gauge --expect $(isodb head) --author "Bob <bob@farm>"'
show 'for writer in 1 2 3 4; do
    (for n in 1 2 3 4 5; do echo $n | isodb put counts/$writer-$n --ref busy >/dev/null; done) &
done; wait'
show 'isodb ls -r counts --at busy --count'
show 'isodb log --oneline --at busy | wc -l | tr -d " "'
say 'Two make the same new ref at once: one of them, whoever it is, has lost.'
show 'for writer in Ann Bob; do
    (echo $writer | isodb put crown --ref race --expect none >/dev/null 2>&1; echo $? >status.$writer) &
done; wait; cat status.* | sort'

say '# 8. A second node, and both write alone'
show 'isodb clone . barn.isodb'
show 'echo "rain at last" | isodb --db barn.isodb put notes/rain -m "seen from the barn"'
show 'echo "the gauge is mended" | isodb put notes/gauge -m "seen from the house"'
say 'When they meet, one command makes them agree:'
show 'isodb --db barn.isodb sync --quiet'
show 'isodb head'
show 'isodb ls -r notes'

say '# 9. All is sound'
show 'git --git-dir=.isodb fsck --strict --full --no-dangling'
show 'isodb --quiet fsck && echo sound'

say 'So: 2,922 documents stored by one command, read, corrected, compared and restored; a stale batch and a lost race
refused; two nodes that wrote alone and agree again; every object the same in git'"'"'s eyes. `bash docs/tour.sh --keep`
leaves the database for you to look at; docs/guide/start.md goes on from here.'
