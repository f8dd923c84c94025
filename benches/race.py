#!/usr/bin/env python3
"""isodb beside git and SQLite, in one run: a get, a durable put, a batch of documents, eight writers at once.

    cargo build --release
    python3 benches/race.py [--docs N] [--flat] [--rounds R] [--writers PUTS] [--isodb PROGRAM] [--dir DIR]

Every round runs every program once, in turn, each in a fresh process, so that the machine's noise falls on all alike;
figures are medians. `spawn` is a program that does nothing, `flush` one append of 300 bytes with fdatasync. git runs
with core.fsync=all, so that its puts are as durable as isodb's; SQLite with synchronous=FULL. Records are made from a
fixed seed. With --flat all documents are children of one folder. Needs Python 3.9 and git; sqlite3 is left out where
it is not installed. The databases are made new in DIR and left there: on ext4, making files soon after removing many
is several times slower.
"""
import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ENV = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b", GIT_COMMITTER_NAME="a",
           GIT_COMMITTER_EMAIL="a@b", MALLOC_TRIM_THRESHOLD_="1000000000", MALLOC_MMAP_THRESHOLD_="1000000000")
DURABLE = ["-c", "core.fsync=all", "-c", "gc.auto=0"]


def records(count, flat):
    rng = random.Random(7)
    for i in range(count):
        value = {"farm": i % 100, "field": rng.randrange(20), "sensor": "s-%08x" % rng.getrandbits(32),
                 "soil": {"moisture": round(rng.uniform(5, 60), 2), "ph": round(rng.gauss(6.5, .5), 3)},
                 "battery_mv": rng.randrange(2800, 4200),
                 "samples": [[d, round(rng.gauss(20, 5), 3), rng.randrange(1024)] for d in range(rng.randrange(1, 12))]}
        key = "farms/%02d/fields/%02d/readings/%07d" % (i % 100, value["field"], i)
        yield key.replace("/", "_") if flat else key, json.dumps(value, separators=(",", ":"))


def run(argv, data=None, check=True, **more):
    return subprocess.run(argv, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=check, env=ENV, **more)


def fast_import_commit(pairs, n, parent):
    out = b"commit refs/heads/main\ncommitter a <a@b> %d +0000\ndata 1\nm\n" % (1700000000 + n)
    if parent:
        out += b"from refs/heads/main^0\n"
    for key, value in pairs:
        body = value.encode()
        out += b"M 100644 inline %s/blob\ndata %d\n%s\n" % (key.encode(), len(body), body)
    return out


class Isodb:
    def __init__(self, program, folder, docs, flat):
        self.program, self.db = program, os.path.join(folder, "a.isodb")
        run([program, "init", self.db])
        lines = "".join('{"key":"%s","value":%s}\n' % pair for pair in docs).encode()
        start = time.perf_counter()
        run([program, "--db", self.db, "apply", "--no-sync"], lines)
        self.batch = time.perf_counter() - start

    def put(self, key, value, n):
        run([self.program, "--db", self.db, "put", key], value.encode())

    def get(self, key):
        return run([self.program, "--db", self.db, "get", key]).stdout


class Git:
    def __init__(self, folder, docs, flat):
        self.db = os.path.join(folder, "a.git")
        self.git = ["git", "-C", self.db, *DURABLE]
        run(["git", "init", "-q", "--bare", "--object-format=sha256", "-b", "main", self.db])
        start = time.perf_counter()
        run(["git", "-C", self.db, "fast-import", "--quiet"], fast_import_commit(docs, 0, False))
        self.batch = time.perf_counter() - start

    def put(self, key, value, n):
        run([*self.git, "fast-import", "--quiet"], fast_import_commit([(key, value)], n, True))

    def get(self, key):
        return run(["git", "-C", self.db, "cat-file", "blob", "main:%s/blob" % key]).stdout

    def put_until_done(self, key, value, n):
        """A put that is tried again when another was first; how many tries it took."""
        tries = 1
        while run([*self.git, "fast-import", "--quiet"], fast_import_commit([(key, value)], n, True), False).returncode:
            tries += 1
            time.sleep(random.random() * .02)
        return tries


class GitPlumbing:
    """One put as a script would write it: hash-object, then ls-tree and mktree up the path, commit-tree, update-ref."""

    def __init__(self, git):
        self.git = git.git

    def put(self, key, value, n):
        parts = (key + "/blob").split("/")
        old = run([*self.git, "rev-parse", "refs/heads/main"]).stdout.decode().strip()
        oid = run([*self.git, "hash-object", "-w", "--stdin"], value.encode()).stdout.decode().strip()
        mode, kind = "100644", "blob"
        for depth in range(len(parts) - 1, -1, -1):
            rows = run([*self.git, "ls-tree", old + ":" + "/".join(parts[:depth])], check=False).stdout
            rows = [r for r in rows.split(b"\n") if r and not r.endswith(b"\t" + parts[depth].encode())]
            rows.append(f"{mode} {kind} {oid}\t{parts[depth]}".encode())
            oid = run([*self.git, "mktree"], b"\n".join(rows) + b"\n").stdout.decode().strip()
            mode, kind = "040000", "tree"
        commit = run([*self.git, "commit-tree", "-p", old, "-m", "m", oid]).stdout.decode().strip()
        run([*self.git, "update-ref", "refs/heads/main", commit, old])


class Sqlite:
    def __init__(self, folder, docs, flat):
        self.db = os.path.join(folder, "a.db")
        rows = "".join("INSERT INTO docs VALUES('%s','%s');" % pair for pair in docs)
        script = "PRAGMA journal_mode=WAL; CREATE TABLE docs(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID; BEGIN; "
        start = time.perf_counter()
        run(["sqlite3", self.db], (script + rows + "COMMIT;").encode())
        self.batch = time.perf_counter() - start

    def put(self, key, value, n):
        statement = "PRAGMA synchronous=FULL; INSERT OR REPLACE INTO docs VALUES('%s','%s');" % (key, value)
        run(["sqlite3", "-cmd", ".timeout 60000", self.db, statement])

    def get(self, key):
        return run(["sqlite3", self.db, "SELECT value FROM docs WHERE key='%s'" % key]).stdout


class Floor:
    """What any program pays: a spawn, and for a put one flush."""

    def __init__(self, folder):
        self.log = os.open(os.path.join(folder, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def flush(self, key, value, n):
        os.write(self.log, b"x" * 300)
        os.fdatasync(self.log)

    def spawn(self, *_):
        run(["true"])


def timed(work, *args):
    start = time.perf_counter()
    work(*args)
    return (time.perf_counter() - start) * 1e3


def race(title, runners, rounds, arguments):
    times = {name: [] for name in runners}
    for i in range(rounds + 1):
        for name, work in runners.items():
            t = timed(work, *arguments(i))
            if i:
                times[name].append(t)
    for name, values in times.items():
        print("%s %s %.2f ms" % (title, name, statistics.median(values)), flush=True)


def writers(name, put, each, threads=8):
    """Eight writers, each a process for every put, on one ref; puts a second, and tries for each where they are told."""
    tries = []

    def write(who):
        tries.append(sum(put("writers/%d/%03d" % (who, i), '{"who":%d,"n":%d}' % (who, i), i) or 1 for i in range(each)))

    running = [threading.Thread(target=write, args=(who,)) for who in range(threads)]
    start = time.perf_counter()
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    rate = threads * each / (time.perf_counter() - start)
    print("writers %s %.0f puts/s, %.2f tries a put" % (name, rate, sum(tries) / threads / each), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=int, default=10000)
    parser.add_argument("--flat", action="store_true")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--writers", type=int, default=200, help="puts of each of the eight writers; 0 for none")
    parser.add_argument("--isodb", default=os.path.join(HERE, "..", "target", "release", "isodb"))
    parser.add_argument("--dir", help="where the databases are made [default: a new temporary directory]")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="race-", dir=args.dir)
    docs = list(records(args.docs, args.flat))
    print("%d documents, %s, in %s; load %.1f" % (args.docs, "one folder" if args.flat else "nested", folder, os.getloadavg()[0]))
    floor = Floor(folder)
    isodb, git = Isodb(os.path.abspath(args.isodb), folder, docs, args.flat), Git(folder, docs, args.flat)
    sqlite = Sqlite(folder, docs, args.flat) if shutil.which("sqlite3") else None
    for name, store in (("isodb", isodb), ("git", git), ("sqlite", sqlite)):
        if store:
            print("batch %s %.2f s" % (name, store.batch))
    rng = random.Random(11)
    keys = [docs[rng.randrange(len(docs))] for _ in range(args.rounds + 1)]
    assert isodb.get(keys[0][0]) == keys[0][1].encode()
    gets = {"spawn": floor.spawn, "isodb": isodb.get, "git": git.get}
    puts = {"spawn": floor.spawn, "flush": floor.flush, "isodb": isodb.put, "git_fast_import": git.put}
    if not args.flat or args.docs <= 10000:
        puts["git_plumbing"] = GitPlumbing(git).put
    if sqlite:
        gets["sqlite"], puts["sqlite"] = sqlite.get, sqlite.put
    race("get", gets, args.rounds, lambda i: (keys[i][0],))
    race("put", puts, args.rounds, lambda i: (keys[i][0], keys[i][1][:-1] + ',"rev":%d}' % i, i))
    if args.writers:
        writers("isodb", isodb.put, args.writers)
        writers("git", git.put_until_done, args.writers)
        if sqlite:
            writers("sqlite", sqlite.put, args.writers)
        count = run([isodb.program, "--db", isodb.db, "ls", "-r", "--count", "writers"]).stdout
        assert int(count) == 8 * args.writers, count


if __name__ == "__main__":
    main()
